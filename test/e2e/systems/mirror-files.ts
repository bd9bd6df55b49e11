/** Mirrors on a disk: a folder that somebody takes away and puts a file in its place, a file whose disk hangs. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mirror, numbersIn } from "./mirror.ts";

type Place = { base: string; folder: string; stop(): Promise<void>; start(): Promise<void>; end(): Promise<void> };

async function newPlace(): Promise<Place> {
  const base = await mkdtemp(join(tmpdir(), "agglo-mirror-"));
  const folder = join(base, "in");
  await mkdir(folder);
  return {
    base,
    folder,
    async stop() {
      await rename(folder, join(base, "away"));
      await writeFile(folder, "in its place");
    },
    async start() {
      await rm(folder);
      await rename(join(base, "away"), folder);
    },
    end: () => rm(base, { recursive: true }),
  };
}

export async function folder(): Promise<Mirror> {
  const { base, folder, ...place } = await newPlace();
  return {
    ...place,
    external: { externalType: "ExternalLocalFile", connectionString: folder },
    tee: {},
    // There is no disk to slow down here; the one that hangs is that of `lines`.
    pause: () => {},
    resume: () => {},
    async numbers() {
      // What was being written when the folder went away stays in it, under its temporary name: complete files have others.
      const names = (await readdir(folder)).filter((name) => !name.startsWith("."));
      const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
      return texts.flatMap(numbersIn);
    },
  };
}

export async function lines(): Promise<Mirror> {
  const { base, folder, ...place } = await newPlace();
  const path = join(folder, "events.ndjson");
  const [aside, pipe] = [join(base, "aside.ndjson"), join(base, "pipe")];
  let piped = "";
  return {
    ...place,
    external: { externalType: "ExternalLocalFile", connectionString: `file:${path}` },
    tee: {},
    // A pipe that nobody reads takes 64 KiB, and then a write hangs as on a disk that does.
    async pause() {
      execFileSync("mkfifo", [pipe]);
      await rename(path, aside);
      await rename(pipe, path);
    },
    async resume() {
      await rename(path, pipe);
      await rename(aside, path);
      const reader = createReadStream(pipe, "utf8").on("data", (text) => {
        piped += text;
      });
      await once(reader, "end"); // the writer has seen that it is another file now
    },
    numbers: async () => numbersIn(piped + (await readFile(path, "utf8"))),
  };
}
