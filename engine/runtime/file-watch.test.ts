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
// The first look is asynchronous: a change before it would be taken for how things always were.
async function startWatching(file: string): Promise<void> {
  const probe = join(folder, "probe");
  const probes: number[] = [];
  const probing = newFileWatch(10, () => probes.push(1));
  watch.set([file]);
  probing.set([probe]);
  await vi.waitFor(() => {
    writeFileSync(probe, String(Math.random()));
    expect(probes.length).toBeGreaterThan(1);
  });
  probing.close();
}

test("a file that is written, replaced or comes later is noticed", async () => {
  const file = join(folder, "a");
  write("a", "one");
  await startWatching(file);
  write("a", "two!");
  await vi.waitFor(() => expect(seen).toContain(file));
  seen.length = 0;
  write("b", "two!");
  renameSync(join(folder, "b"), file);
  await vi.waitFor(() => expect(seen).toContain(file));
  const later = join(folder, "later");
  await startWatching(later);
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
  await startWatching(file);
  symlinkSync("..2", join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  await vi.waitFor(() => expect(seen).toContain(file));
});

test("a file that is no longer watched is not reported", async () => {
  const file = join(folder, "a");
  write("a", "one");
  await startWatching(file);
  const other = join(folder, "other");
  await startWatching(other);
  write("a", "two!");
  write("other", "x");
  await vi.waitFor(() => expect(seen).toContain(other));
  expect(seen).not.toContain(file);
});
