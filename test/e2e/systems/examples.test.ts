/** The examples with real servers, each by the command that the README prints. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { whyNoGoPrograms } from "../../../tools/go-programs.ts";
import { whyNoJavaProgram } from "../../../tools/java-programs.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const RUN_MS = 600_000; // the first time the server is built or fetched

function npmStart(example: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, PORT: "0" };
    const child = spawn("npm", ["start", "--silent", "--", example, "--once"], { cwd: ROOT, env });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.on("close", (code) => resolve({ code, output }));
  });
}

const ORDER = '{"id": 1, "items": [{"card": "************1111"}],"mirroredBy":"agglo"}';
const ID = "[0-9a-f-]{36}";
/** [example, why it cannot run here, what its server then has] */
const EXAMPLES: [string, string | undefined, RegExp[]][] = [
  [
    "mirror-to-s3",
    await whyNoGoPrograms("versitygw"),
    [/^the server has 3:$/m, line(`mirror/${ID}`, ORDER), line(`mirror/${ID}`, '{"id":3,"mirroredBy":"agglo"}')],
  ],
  [
    "mirror-to-nats",
    await whyNoGoPrograms("nats-server"),
    [/^the server has 3:$/m, line(ID, ORDER), line(ID, '{"id":3,"mirroredBy":"agglo"}')],
  ],
  [
    "mirror-to-kafka",
    await whyNoJavaProgram("kafka"),
    [/^the server has 3:$/m, line("1", ORDER), line("3", '{"id":3,"mirroredBy":"agglo"}')],
  ],
  [
    "count-by-tenant",
    await whyNoJavaProgram("dynamodb-local"),
    [/:as:g:amount%3AAggSum:blue {2}12\.5$/m, /:as:g:amount%3AAggSum:red {2}100$/m, /paid-orders:c:n:8 {2}/],
  ],
];

function line(start: string, text: string): RegExp {
  return new RegExp(`^ {2}${start} {2}${text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`, "m");
}

describe.each(EXAMPLES)("npm start -- %s", (example, missing, found) => {
  if (missing !== undefined) process.stderr.write(`${missing}\n`);

  test.skipIf(missing !== undefined)("goes through a real Envoy to a real server", { timeout: RUN_MS }, async () => {
    const { code, output } = await npmStart(example);
    expect(output).toContain("every sample came out as expected");
    for (const pattern of found) expect(output).toMatch(pattern);
    expect(code).toBe(0);
  });
});
