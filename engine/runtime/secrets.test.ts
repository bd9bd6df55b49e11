import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { maskCredentials, newSecrets } from "./secrets.ts";

const directory = mkdtempSync(join(tmpdir(), "agglo-secrets-"));
afterAll(() => rmSync(directory, { recursive: true }));

function fileOf(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe("a secret", () => {
  test("comes from the environment as it stands there", () => {
    expect(newSecrets({ KEY: " s3cret\n" }).resolve("${env:KEY}")).toEqual({ value: " s3cret\n" });
  });

  test("comes from a file without the end of its last line", () => {
    const secrets = newSecrets({});
    expect(secrets.resolve(`\${file:${fileOf("unix", "s3cret\n")}}`)).toEqual({ value: "s3cret" });
    expect(secrets.resolve(`\${file:${fileOf("dos", "s3cret\r\n")}}`)).toEqual({ value: "s3cret" });
    expect(secrets.resolve(`\${file:${fileOf("two", "s3cret\n\n")}}`)).toEqual({ value: "s3cret\n" });
    expect(secrets.resolve(`\${file:${fileOf("bare", "s3cret")}}`)).toEqual({ value: "s3cret" });
  });

  test.each([
    ["${env:MISSING}", "the environment has no MISSING", "set MISSING where agglo is started"],
    ["${env:EMPTY}", "EMPTY is empty in the environment", "give EMPTY a value"],
    ["${file:relative}", 'the secret\'s file "relative" is no absolute path', "begin it with /"],
    ["${file:/no/such/file}", "there is no file /no/such/file", "put the secret there"],
    ["${file:/}", "/ is no file", "name a file that holds the secret"],
    ["${file:/dev/zero}", "/dev/zero is no file", "name a file that holds the secret"],
  ])("that %s does not give is missed in words", (reference, error, remedy) => {
    expect(newSecrets({ EMPTY: "" }).resolve(reference)).toEqual({ reference, error, remedy });
  });

  test("whose file is empty or far too large is missed in words", () => {
    const secrets = newSecrets({});
    expect(secrets.resolve(`\${file:${fileOf("empty", "\n")}}`)).toMatchObject({ remedy: "write the secret into it" });
    const large = fileOf("large", "x".repeat(70_000));
    expect(secrets.resolve(`\${file:${large}}`)).toMatchObject({ error: `${large} is larger than 65536 bytes` });
  });

  test("that stands in the file itself is not repeated", () => {
    for (const literal of ["hunter2", "${env:}", "x${env:A}", "${vault:hunter2}", "${env:A}${env:B}"]) {
      const resolved = newSecrets({ A: "1", B: "2" }).resolve(literal);
      expect(resolved).toMatchObject({ reference: "***", error: "a secret stands in the file itself" });
      expect(JSON.stringify(resolved)).not.toContain("hunter2");
    }
  });

  test("named like a member of every object is not found there", () => {
    expect(newSecrets(process.env).resolve("${env:constructor}")).toMatchObject({
      error: "the environment has no constructor",
    });
  });
});

describe("masking", () => {
  test("covers what was resolved, however it is spelled, the longest first", () => {
    const secrets = newSecrets({ SHORT: "pass", LONG: 'pass"word/' });
    expect(secrets.mask("pass")).toBe("pass");
    secrets.resolve("${env:SHORT}");
    secrets.resolve("${env:LONG}");
    const texts = ['a pass"word/ b', JSON.stringify('pass"word/'), `x=${encodeURIComponent('pass"word/')}`, "pass"];
    expect(texts.map((text) => secrets.mask(text))).toEqual(["a *** b", '"***"', "x=***", "***"]);
  });

  test.each([
    ["http://ann:secret@host/path", "http://***@host/path"],
    ["posting to 'https://ann@host:8080/?q=1' failed", "posting to 'https://***@host:8080/?q=1' failed"],
    ["redis://:s@e@cret@host", "redis://***@host"],
    ["http://a:b@x http://c:d@y", "http://***@x http://***@y"],
    ["http://host/a@b", "http://host/a@b"],
    ["mail ann@example.com", "mail ann@example.com"],
  ])("makes %j %j", (text, masked) => {
    expect(maskCredentials(text)).toBe(masked);
  });

  test("leaves no password of a URL that a URL parser would find", () => {
    const part = fc.string({ unit: fc.constantFrom("s", "e", "@", ":", "%41", "$1", "$&", "!"), minLength: 1 });
    fc.assert(
      fc.property(part, (password) => {
        const url = URL.parse(`http://user:HUNTER${password}2@host/path`);
        if (url?.password) expect(maskCredentials(`to ${url.href}: no`)).toBe("to http://***@host/path: no");
        expect(maskCredentials(`http://user:HUNTER${password}2@host/path`)).not.toContain("HUNTER");
      }),
    );
  });
});
