/** Writes docs/reference/ from the definitions: `node tools/docs.ts`. A test fails when a page is stale. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { referencePages } from "./docs/pages.ts";

const FOLDER = fileURLToPath(new URL("../docs/reference/", import.meta.url));

await mkdir(FOLDER, { recursive: true });
const pages = referencePages();
for (const file of await readdir(FOLDER)) if (!(file in pages)) await rm(`${FOLDER}${file}`);
for (const [file, text] of Object.entries(pages)) await writeFile(`${FOLDER}${file}`, text);
process.stdout.write(`${Object.keys(pages).length} pages in docs/reference\n`);
