import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { continueAnswer, Kind } from "../../../extproc/messages/messages.ts";
import type { Accept } from "../../../extproc/transport.ts";
import { newTransport, TRANSPORTS } from "../../../extproc/transports.ts";
import { buildGo, goVersion } from "../../../tools/go-build.ts";
import { runProgram } from "../../../tools/run-program.ts";

// grpc-go as the client, with go-control-plane's own types (bench/peers/go/client); what Google's proxyless gRPC speaks.

const GO_MODULE = fileURLToPath(new URL("../../../bench/peers/go", import.meta.url));
const hasGo = (await goVersion()) !== undefined;
if (!hasGo) process.stderr.write("grpc-go is not tried as a client: Go is not on PATH\n");
const BUILD_AND_RUN_MS = 300_000;

const exclaim: Accept = (call) => ({
  recv(message) {
    if (message.kind === Kind.none) return;
    const answer = continueAnswer(message.kind);
    if (message.kind === Kind.requestBody) answer.body = Buffer.concat([message.body, Buffer.from("!")]);
    call.send(answer);
  },
  recvEnd: () => call.end(),
  closed() {},
});

test("Go is there in CI", () => {
  if (process.env.CI === "true") expect(hasGo).toBe(true);
});

describe.skipIf(!hasGo).each(TRANSPORTS)("grpc-go against %s", (name) => {
  test.each([
    [500, 1000],
    [20, 2_000_000],
  ])(
    "%i exchanges at once with bodies of %i bytes: none mixed up, each ended",
    async (exchanges, bodyBytes) => {
      const built = await buildGo(GO_MODULE, "client", "test");
      if ("missing" in built) throw new Error(built.missing);
      const bugs: unknown[] = [];
      const listening = await newTransport(name, { onBug: (error) => bugs.push(error), bytesMax: () => 0 }).listen(
        "127.0.0.1:0",
        exclaim,
      );
      try {
        const args = [listening.address, String(exchanges), String(bodyBytes)];
        const { code, output } = await runProgram(built.file, args, process.env, BUILD_AND_RUN_MS);
        expect(output.trim()).toBe(`ok ${exchanges}`);
        expect(code).toBe(0);
        expect(bugs).toEqual([]);
      } finally {
        await listening.close();
      }
    },
    BUILD_AND_RUN_MS,
  );
});
