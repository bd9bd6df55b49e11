import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type FileWatch, newFileWatch } from "./file-watch.ts";

let folder: string;
let seen: string[];
let watch: FileWatch;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agglo-watch-"));
  seen = [];
  watch = newFileWatch(10, (file) => seen.push(file));
});
afterEach(() => {
  watch.close();
  rmSync(folder, { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
test("a file that is written, replaced or comes later is noticed", async () => {
  const file = join(folder, "a");
  write("a", "one");
  watch.add(file);
  write("a", "two!");
  await vi.waitFor(() => expect(seen).toContain(file));
  seen.length = 0;
  write("b", "two!");
  renameSync(join(folder, "b"), file);
  await vi.waitFor(() => expect(seen).toContain(file));
  const later = join(folder, "later");
  watch.add(later);
  expect(seen).not.toContain(later);
  write("later", "here");
  await vi.waitFor(() => expect(seen).toContain(later));
});

test("Kubernetes' swap of a mounted ConfigMap is noticed", async () => {
  for (const version of ["..1", "..2"]) {
    mkdirSync(join(folder, version));
    write(`${version}/config.json`, "the same length");
  }
  symlinkSync("..1", join(folder, "..data"));
  symlinkSync("..data/config.json", join(folder, "config.json"));
  const file = join(folder, "config.json");
  watch.add(file);
  symlinkSync("..2", join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  await vi.waitFor(() => expect(seen).toContain(file));
});

test("a change right after a file was added is noticed, and what was there before is none", async () => {
  const [file, still] = [join(folder, "a"), join(folder, "still")];
  write("a", "one");
  write("still", "one");
  watch.add(file);
  watch.add(still);
  write("a", "two"); // before anybody has looked again
  await vi.waitFor(() => expect(seen).toContain(file));
  expect(seen).not.toContain(still);
});

test("a file that is no longer watched is not reported", async () => {
  const [file, other] = [join(folder, "a"), join(folder, "other")];
  write("a", "one");
  watch.add(file);
  watch.reset();
  watch.add(other);
  write("a", "two!");
  write("other", "x");
  await vi.waitFor(() => expect(seen).toContain(other));
  expect(seen).not.toContain(file);
});
