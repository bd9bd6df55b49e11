/** `node tools/fetch.ts envoy k6 nginx`: makes sure each program is there, and prints its path. */
import { MissingProgram } from "./missing-program.ts";
import { programPath, programs } from "./programs.ts";

const names = process.argv.slice(2);
const known = programs.map((program) => program.name);

if (names.length === 0 || !names.every((name) => known.includes(name))) {
  console.error(`usage: node tools/fetch.ts ${known.join("|")} …`);
  process.exit(2);
}

for (const program of programs.filter(({ name }) => names.includes(name))) {
  try {
    console.log(await programPath(program));
  } catch (error) {
    if (!(error instanceof MissingProgram)) throw error;
    console.error(error.message);
    process.exit(error.exitCode);
  }
}
