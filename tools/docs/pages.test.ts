import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { referencePages } from "./pages.ts";

const FOLDER = new URL("../../docs/reference/", import.meta.url);

test("docs/reference is what the definitions say; `npm run docs` makes it anew", () => {
  const pages = referencePages();
  expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(pages).sort());
  for (const [file, text] of Object.entries(pages)) expect(readFileSync(new URL(file, FOLDER), "utf8")).toBe(text);
});
