/**
 * JSON texts named one by one, after the manner of JSON parsing suites: `y_` must be taken, `n_` must be refused, `i_` is
 * left open by RFC 8259 and decided here. A text is refused as `unparsable`, or as `ambiguous` where two readers would
 * see two things. What is taken goes on as the same text, whatever it holds.
 */
import { describe, expect, test } from "vitest";
import { newEvent } from "./event.ts";
import { copyObject, isObject, type JsonObject, type JsonValue, setOwn } from "./json.ts";
import { parseText } from "./parse.ts";
import { stringify, writeEvent } from "./write.ts";

const DEPTH = 64;

/** Values: each is tried alone, as a member and as an element. */
const VALUES: { [name: string]: string } = {
  y_array_arrays_with_spaces: "[[]   ]",
  y_array_empty: "[]",
  y_array_ending_with_newline: '["a"\n]',
  y_array_false: "[false]",
  y_array_heterogeneous: '[null, 1, "1", {}]',
  y_array_null: "[null]",
  y_array_several_null: "[1,null,null,null,2]",
  y_array_with_leading_and_trailing_space: " [1] ",
  y_number: "123",
  y_number_0e1: "0e+1",
  y_number_0e1_minus: "0E-1",
  y_number_after_space: " 4",
  y_number_double_close_to_zero: "-0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
  y_number_huge_exponent: "123e45",
  y_number_minus_zero: "-0",
  y_number_minus_zero_fraction: "-0.0",
  y_number_negative_int: "-123",
  y_number_real_capital_e: "1E22",
  y_number_real_capital_e_neg_exp: "1E-2",
  y_number_real_capital_e_pos_exp: "1E+2",
  y_number_real_exponent: "123.456e78",
  y_number_trailing_zeros: "1.2500",
  y_number_zero: "0",
  y_object_basic: '{"asd":"sdf"}',
  y_object_empty: "{}",
  y_object_empty_key: '{"":0}',
  y_object_escaped_null_in_key: '{"foo\\u0000bar": 42}',
  y_object_extreme_numbers: '{ "min": -1.0e+28, "max": 1.0e+28 }',
  y_object_key_that_differs_by_case: '{"a":1,"A":2}',
  y_object_key_that_differs_by_normalisation: '{"\u00e9":1,"e\u0301":2}',
  y_object_proto: '{"__proto__":{"constructor":{"prototype":1}}}',
  y_object_same_key_in_two_objects: '{"a":{"b":1},"c":{"b":2}}',
  y_object_with_newlines: '{\n"a": "b"\n}',
  y_string_1_2_3_bytes_utf8_sequences: '"\\u0060\\u012a\\u12AB"',
  y_string_accepted_surrogate_pair: '"\\uD801\\udc37"',
  y_string_accepted_surrogate_pairs: '"\\ud83d\\ude39\\ud83d\\udc8d"',
  y_string_allowed_escapes: '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
  y_string_backslash_and_u_escaped_zero: '"\\\\u0000"',
  y_string_backslash_doublequotes: '"\\""',
  y_string_comments: '"a/*b*/c/*d//e"',
  y_string_double_escape_a: '"\\\\a"',
  y_string_ends_in_backslashes: '"\\\\\\\\"',
  y_string_escaped_control_character: '"\\u0012"',
  y_string_escaped_noncharacter: '"\\uFFFF"',
  y_string_looks_like_json: '"{\\"a\\":1,\\"a\\":2}"',
  y_string_looks_like_nesting: `"${"[{".repeat(100)}"`,
  y_string_nbsp_uescaped: '"new\\u00A0line"',
  y_string_nonCharacterInUTF8_U_10FFFF: '"\u{10ffff}"',
  y_string_null_escape: '"\\u0000"',
  y_string_one_byte_utf8: '"\\u002c"',
  y_string_pi: '"\u03c0"',
  y_string_reservedCharacter_U_1BFFF: '"\u{1bfff}"',
  y_string_simple_ascii: '"asd "',
  y_string_u_2028_line_sep: '"\u2028"',
  y_string_u_2029_par_sep: '"\u2029"',
  y_string_uescaped_newline: '"new\\u000Aline"',
  y_string_unescaped_del: '"\u007f"',
  y_string_utf8: '"\u20ac\u{1d11e}"',
  y_structure_lonely_false: "false",
  y_structure_lonely_null: "null",
  y_structure_lonely_true: "true",
  y_structure_whitespace_array: " [] ",

  n_array_1_true_without_comma: "[1 true]",
  n_array_colon_instead_of_comma: '["": 1]',
  n_array_comma_after_close: '[""],',
  n_array_double_comma: "[1,,2]",
  n_array_extra_close: '["x"]]',
  n_array_extra_comma: '["",]',
  n_array_incomplete: '["x"',
  n_array_inner_array_no_comma: "[3[4]]",
  n_array_just_comma: "[,]",
  n_array_just_minus: "[-]",
  n_array_missing_value: '[   , ""]',
  n_array_star_inside: "[*]",
  n_array_unclosed_with_new_lines: "[1,\n1\n,1",
  n_incomplete_false: "fals",
  n_incomplete_null: "nul",
  n_incomplete_true: "tru",
  n_number_plus: "+1",
  n_number_minus_leading_zero: "-01",
  n_number_leading_zero: "012",
  n_number_leading_dot: ".123",
  n_number_trailing_dot: "1.",
  n_number_dot_exponent: "2.e3",
  n_number_e_without_digits: "1e",
  n_number_e_sign_only: "1e+",
  n_number_double_minus: "--1",
  n_number_double_exponent: "1e1e1",
  n_number_hex: "0x42",
  n_number_infinity: "Infinity",
  n_number_minus_infinity: "-Infinity",
  n_number_nan: "NaN",
  n_number_underscore: "1_000",
  n_number_bigint: "1n",
  n_number_with_alpha: "1.2a-3",
  n_number_fullwidth_digit: "\uff11",
  n_number_comma_for_dot: "1,5e",
  n_object_bad_value: '{"x": truth}',
  n_object_bracket_key: '{[: "x"}',
  n_object_comma_instead_of_colon: '{"x", null}',
  n_object_double_colon: '{"x"::"b"}',
  n_object_duplicated_key: '{"a":"b","a":"c"}',
  n_object_duplicated_key_and_value: '{"a":"b","a":"b"}',
  n_object_duplicated_key_deep: '{"a":[{"b":{"c":1,"c":1}}]}',
  n_object_duplicated_key_empty: '{"":1,"":2}',
  n_object_duplicated_key_escaped: '{"a":1,"\\u0061":2}',
  n_object_duplicated_key_number_like: '{"0":1,"0":2}',
  n_object_duplicated_key_proto: '{"__proto__":1,"__proto__":2}',
  n_object_key_with_single_quotes: "{key: 'value'}",
  n_object_missing_colon: '{"a" b}',
  n_object_missing_key: '{:"b"}',
  n_object_missing_value: '{"a":',
  n_object_non_string_key: "{1:1}",
  n_object_several_trailing_commas: '{"id":0,,,,,}',
  n_object_single_quote: "{'a':0}",
  n_object_trailing_comma: '{"id":0,}',
  n_object_trailing_comment: '{"a":"b"}/**/',
  n_object_trailing_line_comment: '{"a":"b"}//',
  n_object_two_commas_in_a_row: '{"a":"b",,"c":"d"}',
  n_object_unquoted_key: '{a: "b"}',
  n_object_unterminated_value: '{"a":"a',
  n_object_with_trailing_garbage: '{"a":"b"}#',
  n_string_backslash_00: '"\\\u0000"',
  n_string_escape_x: '"\\x00"',
  n_string_escaped_emoji: '"\\\u{1f300}"',
  n_string_incomplete_escape: '"\\"',
  n_string_incomplete_surrogate_escape: '"\\uD834\\uDd"',
  n_string_invalid_unicode_escape: '"\\uqqqq"',
  n_string_leading_escaped_space: '\\u0020"asd"',
  n_string_no_quotes: "asd",
  n_string_capital_u_escape: '"\\UA66D"',
  n_string_single_doublequote: '"',
  n_string_single_quote: "'single'",
  n_string_unescaped_control: '"a\u001fa"',
  n_string_unescaped_newline: '"new\nline"',
  n_string_unescaped_null: '"a\u0000a"',
  n_string_unescaped_tab: '"\t"',
  n_string_octal_escape: '"\\012"',
  n_structure_BOM: "\ufeff{}",
  n_structure_angle_bracket: "<null>",
  n_structure_capitalized_true: "True",
  n_structure_close_unopened_array: "1]",
  n_structure_double_array: "[][]",
  n_structure_end_array_for_object: '{"a":1]',
  n_structure_end_object_for_array: "[1}",
  n_structure_lone_open: "{",
  n_structure_no_data: "",
  n_structure_null_byte_outside_string: "[\u0000]",
  n_structure_object_with_comment: '{"a":/*comment*/"b"}',
  n_structure_open_array_string: '["a',
  n_structure_trailing_hash: "{}#",
  n_structure_two_values: "{} {}",
  n_structure_undefined: "undefined",
  n_structure_unicode_identifier: "\u00e5",
  n_structure_utf8_word_joiner: "[\u2060]",
  n_structure_whitespace_formfeed: "[\u000c]",
  n_structure_whitespace_nbsp: "[\u00a0]",
  n_structure_whitespace_vertical_tab: "[\u000b]",
  n_structure_whitespace_u_2028: "[\u2028]",
  n_structure_whitespace_only: " \n",

  // Left open by RFC 8259: lone surrogates and numbers beyond a double are data and stay to the byte (sections 6, 8.2),
  // nesting has a limit (section 9).
  i_number_double_overflow: "1e999",
  i_number_double_underflow: "123e-10000000",
  i_number_neg_overflow: "-1.5e+9999",
  i_number_20_digits: "12345678901234567890",
  i_number_30_decimals: "0.123456789012345678901234567890",
  i_string_1st_surrogate_but_2nd_missing: '"\\uDADA"',
  i_string_incomplete_surrogate_pair: '"\\uDd1ea"',
  i_string_inverted_surrogates: '"\\uDd1e\\uD834"',
  i_string_not_in_unicode_range: '"\ufdd0"',
  i_structure_60_nested_arrays: "[".repeat(60) + "]".repeat(60),
};

/** `i_` texts that this reader refuses. */
const REFUSED: { [name: string]: string } = {
  i_structure_100_nested_arrays: "[".repeat(100) + "]".repeat(100),
  i_structure_100000_opening_arrays: "[".repeat(100_000),
  i_structure_open_array_object_50000: '[{"":'.repeat(50_000),
};

const names = Object.keys(VALUES);
const taken = names.filter((name) => !name.startsWith("n_"));
const refused = names.filter((name) => name.startsWith("n_"));

function parse(text: string) {
  return parseText(text, 0, text.length, DEPTH);
}

function objectOf(text: string) {
  const parsed = parse(text);
  if (parsed.fault !== undefined || !isObject(parsed.value)) throw new Error(`${parsed.fault}: ${text}`);
  return newEvent(parsed.value, text, 0, text.length);
}

test("there are some of each", () => {
  expect(taken.length).toBeGreaterThan(60);
  expect(refused.length).toBeGreaterThan(80);
});

describe("is taken, means what JSON.parse says, and goes on as the same text", () => {
  test.each(taken)("%s", (name) => {
    const value = VALUES[name] as string;
    expect(parse(value).fault).toBeUndefined();
    for (const text of [`{"v":${value},"w":1.0}`, `{ "o" : [ ${value} ,{"v":${value}}], "w":1.0}`]) {
      const event = objectOf(text);
      expect(plain(event.value)).toEqual(JSON.parse(text));
      expect(writeEvent(event)).toBe(text);
      const changed = copyObject(event.value);
      setOwn(changed, "w", 2);
      event.value = changed;
      expect(writeEvent(event)).toBe(text.replace(/1\.0}$/, "2}"));
      setOwn(changed, "copy", event.parsed as JsonObject);
      expect(JSON.parse(writeEvent(event))).toEqual(JSON.parse(stringify(changed)));
    }
  });
});

describe("is refused, alone and inside, as JSON.parse or stricter", () => {
  test.each(refused)("%s", (name) => {
    const value = VALUES[name] as string;
    const fault = name.includes("duplicated_key") ? "ambiguous" : "unparsable";
    expect(parse(value).fault).toBe(fault);
    expect(parse(`{"v":${value}}`).fault).toBe(fault);
    expect(parse(`[1,${value}]`).fault).toBe(fault);
  });
});

describe("is left open and refused", () => {
  test.each(Object.keys(REFUSED))("%s", (name) => {
    expect(parse(REFUSED[name] as string).fault).toBe("unparsable");
    expect(parse(`{"v":${REFUSED[name]}}`).fault).toBe("unparsable");
  });
});

/** The tree with numbers as JSON.parse makes them. */
function plain(value: JsonValue): unknown {
  return JSON.parse(stringify(value));
}
