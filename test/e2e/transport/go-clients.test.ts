import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nativeTransport } from "../../../extproc/grpc/native.ts";
import { continueAnswer, Kind } from "../../../extproc/messages/messages.ts";
import { type Accept, EXTERNAL_PROCESSOR, type Listening } from "../../../extproc/transport.ts";
import { PROCESSOR_CODEC } from "../../../extproc/transports.ts";
import { type GoProgram, goProgramPath, whyNoGoPrograms } from "../../../tools/go-programs.ts";
import { runProgram } from "../../../tools/run-program.ts";

// Programs that were not written by us: h2spec knows RFC 9113 and RFC 7541, grpcurl and grpc-health-probe are grpc-go.

const missing = await whyNoGoPrograms("h2spec", "grpcurl", "grpc-health-probe");
if (missing !== undefined) process.stderr.write(`${missing}\n`);

const BUILD_AND_RUN_MS = 300_000; // Go with an empty cache on two busy cores
const RUN_MS = 60_000;
const PROTOS = fileURLToPath(new URL("../../../protos", import.meta.url));

const answer: Accept = (call) => ({
  recv: (message) => message.kind !== Kind.none && call.send(continueAnswer(message.kind)),
  recvEnd: () => call.end(),
  closed() {},
});

async function run(name: GoProgram, ...args: string[]): Promise<{ code: number | null; output: string }> {
  return await runProgram(await goProgramPath(name), args, process.env, RUN_MS);
}

describe.skipIf(missing !== undefined)("the native transport", { timeout: BUILD_AND_RUN_MS }, () => {
  let listening: Listening;
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "agglo-go-"));
    listening = await nativeTransport({ codec: PROCESSOR_CODEC }).listen("127.0.0.1:0", answer);
  });

  afterEach(async () => {
    await listening.close();
    await rm(folder, { recursive: true });
  });

  test("passes every case of h2spec, and skips none", async () => {
    const port = listening.address.slice(listening.address.indexOf(":") + 1);
    const report = join(folder, "h2spec.xml");
    await run("h2spec", "-h", "127.0.0.1", "-p", port, "-o", "5", "-j", report);
    const xml = await readFile(report, "utf8");
    const cases = xml.match(/<testcase[\s\S]*?(?:<\/testcase>|\/>)/g) ?? [];
    const named = (mark: string) =>
      cases.filter((one) => one.includes(mark)).map((one) => /classname="([^"]*)"/.exec(one)?.[1]);
    expect(cases.length).toBe(145);
    expect({ failed: [...named("<failure"), ...named("<error")], skipped: named("<skipped") }).toEqual({
      failed: [],
      skipped: [],
    });
  });

  test("talks to grpcurl: a stream of messages, each answered, and a method that does not exist", async () => {
    const messages = `{"requestHeaders":{"headers":{"headers":[{"key":":path","rawValue":"Lw=="}]}}}
                      {"requestBody":{"body":"e30=","endOfStream":true}}`;
    const proto = ["-import-path", PROTOS, "-proto", "envoy/service/ext_proc/v3/external_processor.proto"];
    const base = ["-plaintext", "-d", messages, ...proto, listening.address];
    const { code, output } = await run("grpcurl", ...base, `${EXTERNAL_PROCESSOR}/Process`);
    expect(code).toBe(0);
    expect(output.replace(/\s+/g, "")).toBe(`{"requestHeaders":{}}{"requestBody":{}}`);

    const health = ["-plaintext", "-import-path", PROTOS, "-proto", "grpc/health/v1/health.proto"];
    const service = "grpc.health.v1.Health/Check";
    const unknown = await run("grpcurl", ...health, "-d", `{"service":"nobody"}`, listening.address, service);
    expect([unknown.code === 0, unknown.output.includes("NotFound")]).toEqual([false, true]);
  });

  test("is healthy to grpc-health-probe, until it is not", async () => {
    const probe = (...args: string[]) => run("grpc-health-probe", `-addr=${listening.address}`, ...args);
    expect((await probe()).code).toBe(0);
    expect((await probe(`-service=${EXTERNAL_PROCESSOR}`)).code).toBe(0);
    expect((await probe("-service=nobody")).code).toBe(3);
    listening.setServing(false);
    expect((await probe()).code).toBe(4);
  });
});
