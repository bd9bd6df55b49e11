/**
 * `npm run conformance [-- HOST:PORT]`: an ext_proc server under everything that a real Envoy cannot be made to do on
 * demand, each answer held against what Envoy 1.40 accepts. Prints a line per scenario; ends with 1 if one failed.
 *
 *   no address     our own server, on both transports, with agglo.json
 *   HOST:PORT      any server: the scenarios that hold whatever its rules are, for PATH (default /)
 */
import { TRANSPORTS } from "../../extproc/transports.ts";
import { connect, type Server } from "./client.ts";
import { type OwnServer, startOwnServer } from "./own-server.ts";
import type { OwnScenario, Scenario } from "./scenario.ts";
import { anyServerScenarios, OWN_PATHS, ownScenarios } from "./suite.ts";

const counts = { passed: 0, failed: 0, skipped: 0 };

function tell(outcome: keyof typeof counts, name: string, why = ""): void {
  counts[outcome]++;
  console.log(`${outcome.padEnd(7)} ${name}${why === "" ? "" : `: ${why}`}`);
}

async function runOne(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    tell("passed", name);
  } catch (error) {
    tell("failed", name, (error as Error).message);
  }
}

async function runAll(server: Server, scenarios: readonly (Scenario | OwnScenario)[], own: OwnServer | undefined) {
  for (const scenario of scenarios) await runOne(scenario.name, () => scenario.run(server, own as OwnServer));
}

async function runOwn(): Promise<void> {
  for (const transport of TRANSPORTS) {
    console.log(`our own server, transport ${transport}`);
    const own = await startOwnServer(transport);
    const server = await connect(own.address);
    await runAll(server, OWN_PATHS.flatMap(anyServerScenarios), own);
    await runAll(server, ownScenarios(), own);
    server.close();
    await own.stop();
    for (const bug of own.bugs) tell("failed", "no exception in the server", String(bug));
  }
}

async function runAgainst(address: string, path: string): Promise<void> {
  console.log(`the server at ${address}, requests for ${path}`);
  const server = await connect(address).catch((error: Error) => {
    throw new Error(`${address} cannot be reached: ${error.message}. Start the server, without TLS, and try again.`);
  });
  await runAll(server, anyServerScenarios(path), undefined);
  server.close();
  for (const { name } of ownScenarios()) tell("skipped", name, "it needs the rules of test/conformance/agglo.json");
}

const [address, path = "/"] = process.argv.slice(2);
try {
  if (address === undefined) await runOwn();
  else await runAgainst(address, path);
} catch (error) {
  tell("failed", "the run itself", (error as Error).message);
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;
