/** A whole stack around a configuration that a test writes: Envoy, an upstream, our server. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Verdict } from "../../../engine/core/routes/section.ts";
import { type Stack, type StackOptions, startStack } from "../../../tools/start/stack.ts";
import type { Respond } from "../../../tools/start/upstream.ts";
import { type Client, newClient } from "./client.ts";

export type TestStack = Stack & { client: Client; verdicts: { direction: string; verdict: Verdict }[] };

export async function startTestStack(
  config: object,
  respond?: Respond,
  options: Partial<StackOptions> = {},
): Promise<TestStack> {
  const folder = await mkdtemp(join(tmpdir(), "agglo-test-"));
  const file = join(folder, "config.json");
  await writeFile(file, JSON.stringify(config));
  const stack = await startStack(file, { port: 0, ...(respond !== undefined && { respond }), ...options });
  const client = newClient(stack.envoy.port, 4);
  const verdicts: TestStack["verdicts"] = [];
  stack.onVerdict = (_route, direction, verdict) => verdicts.push({ direction, verdict });
  const stopStack = stack.stop;
  const stop = async () => {
    client.close();
    await stopStack();
    await rm(folder, { recursive: true, force: true });
  };
  return Object.assign(stack, { client, verdicts, stop });
}
