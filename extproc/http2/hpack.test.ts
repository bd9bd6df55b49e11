import { describe, expect, it } from "vitest";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import { decodeHuffman } from "./hpack-huffman.ts";

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ""), "hex");

function decode(decoder: HpackDecoder, text: string): readonly string[] | undefined {
  const block = hex(text);
  return decoder.decode(block, 0, block.length)?.fields;
}

const REQUEST_1 = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const REQUEST_2 = [...REQUEST_1, "cache-control", "no-cache"];
const REQUEST_3 = [
  ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
  ...["custom-key", "custom-value"],
];
const RESPONSE_1 = [
  ...[":status", "302", "cache-control", "private", "date", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ...["location", "https://www.example.com"],
];
const RESPONSE_2 = [":status", "307", ...RESPONSE_1.slice(2)];
const RESPONSE_3 = [
  ...[":status", "200", "cache-control", "private", "date", "Mon, 21 Oct 2013 20:13:22 GMT"],
  ...["location", "https://www.example.com", "content-encoding", "gzip"],
  ...["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
];

/** RFC 7541 appendix C: blocks that follow each other on one connection, and the table size. */
const VECTORS: [string, number, [string, string[]][]][] = [
  [
    "C.2.1",
    4096,
    [["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", ["custom-key", "custom-header"]]],
  ],
  ["C.2.2", 4096, [["040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"]]]],
  ["C.2.3", 4096, [["1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"]]]],
  ["C.2.4", 4096, [["82", [":method", "GET"]]]],
  [
    "C.3",
    4096,
    [
      ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUEST_1],
      ["8286 84be 5808 6e6f 2d63 6163 6865", REQUEST_2],
      ["8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", REQUEST_3],
    ],
  ],
  [
    "C.4",
    4096,
    [
      ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUEST_1],
      ["8286 84be 5886 a8eb 1064 9cbf", REQUEST_2],
      ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUEST_3],
    ],
  ],
  [
    "C.5",
    256,
    [
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        RESPONSE_1,
      ],
      ["4803 3330 37c1 c0bf", RESPONSE_2],
      [
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
         2076 6572 7369 6f6e 3d31`,
        RESPONSE_3,
      ],
    ],
  ],
  [
    "C.6",
    256,
    [
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
         8f0b 97c8 e9ae 82ae 43d3`,
        RESPONSE_1,
      ],
      ["4883 640e ffc1 c0bf", RESPONSE_2],
      [
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
        RESPONSE_3,
      ],
    ],
  ],
];

/** The bytes 0 to 255, by the codes of appendix B (written with those of golang.org/x/net/http2/hpack). */
const ALL_BYTES = `
    ffc7fffd8fffffe2fffffe3fffffe4fffffe5fffffe6fffffe7fffffe8ffffeafffffff3fffffa7fffffabffffffdfffffebfffffecfffff
    edfffffeefffffefffffff0ffffff1ffffff2fffffffbfffffcffffffd3fffffd7fffffdbfffffdffffffe3fffffe7fffffebfffffed4fe3
    f9ffaffcabf1febfafefe7fdfd2cbb00089969b71d79fb9f7fff20ffbff3ff50ddbd7f061c58f265cd9f469d5af66dddbf871e5f9cff7ff7
    fffc3ff9ffe45fff4719242cb34e6e9d68a6a3d7dac426defe3cfaf7fffbfe7ffbffdffffffcfffe6ffff4bfff9ffffa3fffd3ffff53fffd
    5ffffb3fffeb7fffdaffffb7ffff73fffeeffffdeffffebffffbfffffd9ffffdbfffebffffe0ffffeeffffc3ffff8bffff1ffffe4fffee7f
    ffb1ffff97fffd9ffffcdffff9fffffbffffdafffeeffff4ffffb7fffee7fffe8ffffd3fffdeffffd5fffeeffffbdffffe1fffdfffff7fff
    ff5ffffecffff07fff87fffe0ffff17fffedffff87ffff77fffeffffeaffff8bfffe3ffff93ffff87fffcbffff37ffff1fffff83ffffe1ff
    febfffe3ffff3fffff2ffffa3ffffd9fffff17ffffc7fffff27ffffdefffffbffffff2fffff8fffffb7fff97fff8fffffe6fffffc1fffff8
    7ffffe7fffffc5ffffe5fffe4ffff2fffffd1fffff4ffffffefffffe3fffffc9fffff97fffb3ffffcffffb7fffcdffff4ffff9ffffd1ffff
    cffffeaffffafffffddffffeffffff4fffff5fffffabffffa7ffffd7fffff9bffffecfffffb7fffff3fffffe8fffffd3fffffabfffff5fff
    ffff7ffffecfffffdbfffffbbfffff7ffffff0fffffbbf`;

describe("the decoder", () => {
  it.each(VECTORS)("reads RFC 7541 appendix %s", (_, tableBytes, blocks) => {
    const decoder = new HpackDecoder(tableBytes, 10_000);
    for (const [block, fields] of blocks) expect(decode(decoder, block)).toEqual(fields);
  });

  it("gives the same list for the same block until the table changes", () => {
    const decoder = new HpackDecoder(4096, 10_000);
    const block = hex("82 86 84");
    const first = decoder.decode(block, 0, block.length);
    expect(decoder.decode(Buffer.concat([hex("00"), block]), 1, 4)).toBe(first);
    decode(decoder, "40 01 61 01 62");
    const again = decoder.decode(block, 0, block.length);
    expect(again).not.toBe(first);
    expect(again?.fields).toEqual(first?.fields);
  });

  it("does not take a block for another with the same ends", () => {
    const decoder = new HpackDecoder(4096, 10_000);
    expect(decode(decoder, "0f10 01 61 82")).toEqual(["content-type", "a", ":method", "GET"]);
    expect(decode(decoder, "0f10 01 62 82")).toEqual(["content-type", "b", ":method", "GET"]);
  });

  it("evicts what the table has no room for, and empties it for what is larger than all of it", () => {
    const decoder = new HpackDecoder(70, 10_000); // two entries of 34
    decode(decoder, "40 01 61 01 62 40 01 63 01 64 40 01 65 01 66");
    expect(decode(decoder, "be bf")).toEqual(["e", "f", "c", "d"]);
    expect(decode(decoder, "c0")).toBeUndefined();
    const large = new HpackDecoder(70, 10_000);
    decode(large, "40 01 61 01 62");
    expect(decode(large, `40 01 61 28 ${"61".repeat(40)}`)).toEqual(["a", "a".repeat(40)]);
    expect(decode(large, "be")).toBeUndefined();
  });

  it("takes size updates at the beginning, two at most, none above what we announced", () => {
    expect(decode(new HpackDecoder(4096, 10_000), "20 3fe11f 82")).toEqual([":method", "GET"]);
    expect(decode(new HpackDecoder(4096, 10_000), "20 20 20 82")).toBeUndefined();
    expect(decode(new HpackDecoder(4096, 10_000), "3fe21f 82")).toBeUndefined();
    expect(decode(new HpackDecoder(4096, 10_000), "82 20")).toBeUndefined();
  });

  const broken: [string, string][] = [
    ["index 0", "80"],
    ["an index beyond both tables", "be"],
    ["a literal that names no entry", "7f 00 01 61"],
    ["an integer without an end", "ff 80 80"],
    ["an integer of six bytes", "ff ff ff ff ff ff 01"],
    ["a name cut off", "40 05 61"],
    ["a value that is missing", "40 01 61"],
    ["a value length beyond the block", "40 01 61 7f 80 10 61"],
    ["EOS in a string", "40 01 61 84 ff ff ff ff"],
    ["padding of a byte", "40 01 61 82 1f ff"],
    ["padding with zeros", "40 01 61 81 18"],
    ["half a code", "40 01 61 82 ff fe"],
  ];
  it.each(broken)("turns down %s", (_, block) => {
    expect(decode(new HpackDecoder(4096, 10_000), block)).toBeUndefined();
  });

  it("reads every byte by its Huffman code", () => {
    const codes = hex(ALL_BYTES);
    const out = Buffer.alloc(300);
    expect(decodeHuffman(codes, 0, codes.length, out)).toBe(256);
    expect([...out.subarray(0, 256)]).toEqual(Array.from({ length: 256 }, (_, i) => i));
    expect(decodeHuffman(codes, 0, codes.length, out.subarray(0, 255))).toBe(-1); // no room
  });

  it("stops keeping a list at its limit, but goes on decoding", () => {
    const decoder = new HpackDecoder(4096, 4200);
    const entry = `40 01 61 7f a11e ${"62".repeat(4000)}`; // fills the table
    expect(decode(decoder, entry)?.[1]?.length).toBe(4000);
    const bomb = Buffer.alloc(10_000, 0xbe);
    const list = decoder.decode(bomb, 0, bomb.length);
    expect([list?.tooLarge, list?.fields.length]).toEqual([true, 2]);
    expect(decode(decoder, "be")?.[0]).toBe("a"); // the table is in step
  });
});

describe("the encoder", () => {
  it("writes what the decoder reads", () => {
    const fields = [
      ":status",
      "200",
      "content-type",
      "application/grpc",
      "x-long",
      "y".repeat(300),
      "grpc-status",
      "0",
    ];
    const block = encodeHeaders(fields);
    expect(block[0]).toBe(0x88);
    expect(new HpackDecoder(4096, 10_000).decode(block, 0, block.length)?.fields).toEqual(fields);
  });
});
