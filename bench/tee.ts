/**
 * What a tee costs: `npm run bench:tee`. Events per second to each system there is, the CPU that this process spends on one,
 * the memory that a full queue takes, and what traffic through Envoy has of it (rig/tee-traffic.ts). Writes
 * results/tees-DATE-MACHINE.json; `npm run bench -- --report` puts it into RESULTS.md. Real systems on loopback, each behind the runtime as a proxy has it; the queue
 * is kept from filling, so that nothing is lost, and a lost event ends the benchmark.
 *
 * A further system is a line in SYSTEMS.
 */
import { setTimeout as delay, setImmediate as soon } from "node:timers/promises";
import { loadConfig } from "../engine/config/load.ts";
import { newRunContext } from "../engine/core/context.ts";
import { newEvent } from "../engine/core/event/event.ts";
import type { JsonObject } from "../engine/core/event/json.ts";
import { parseText } from "../engine/core/event/parse.ts";
import { runPipelines } from "../engine/core/pipeline.ts";
import type { SystemType } from "../engine/core/ports.ts";
import { re2Regexps } from "../engine/runtime/regexps.ts";
import { type Runtime, startRuntime } from "../engine/runtime/runtime.ts";
import { findSystem } from "../engine/systems/registry.ts";
import { whyNoGoPrograms } from "../tools/go-programs.ts";
import { whyNoJavaProgram } from "../tools/java-programs.ts";
import { BACKENDS, type StartBackend } from "../tools/start/backends.ts";
import { findLoader, type Loader } from "./rig/load.ts";
import { runToEnd, scratchFolder, startProcess, stopEverything } from "./rig/processes.ts";
import { printScenarios } from "./rig/report.ts";
import { withCircumstances, writeResults } from "./rig/results.ts";
import { terminalTable } from "./rig/tables.ts";
import { clientsTable, fullTable, systemsTable, type TeeResults, type TeeRound } from "./rig/tee-report.ts";
import { measureTeeTraffic } from "./rig/tee-traffic.ts";
import { findVariants, startUpstream } from "./rig/variants.ts";

const ROUNDS = 5;
const TRAFFIC_ROUNDS = 5;
const EVENT_BYTES = 1024;
/** Events in the queue at most: enough to keep every connection and batch busy. */
const AHEAD = 4000;

type Target = { connectionString: string; stop(): Promise<void> };
type System = {
  name: string;
  type: SystemType;
  events: number;
  batches: boolean;
  open(): Promise<Target>;
  /** why there is no such server on this machine; undefined: there is */
  missing?: () => Promise<string | undefined>;
};

const SYSTEMS: readonly System[] = [
  { name: "mem: topic", type: "ExternalPubSub", events: 50_000, batches: true, open: named("mem:bench") },
  { name: "mem: objects", type: "ExternalObjectStore", events: 30_000, batches: true, open: named("mem:bench") },
  { name: "file: folder", type: "ExternalLocalFile", events: 5_000, batches: false, open: folder },
  { name: "http:", type: "ExternalHttp", events: 20_000, batches: true, open: () => httpTarget([]) },
  {
    name: "s3:",
    type: "ExternalObjectStore",
    events: 3_000,
    batches: true,
    open: s3,
    missing: () => whyNoGoPrograms("versitygw"),
  },
  {
    name: "nats:",
    type: "ExternalPubSub",
    events: 10_000,
    batches: true,
    open: nats,
    missing: () => whyNoGoPrograms("nats-server"),
  },
  {
    name: "kafka:",
    type: "ExternalPubSub",
    events: 10_000,
    batches: true,
    open: kafka,
    missing: () => whyNoJavaProgram("kafka"),
  },
  {
    name: "dynamo:",
    type: "ExternalKVStore",
    events: 1_000,
    batches: true,
    open: dynamo,
    missing: () => whyNoJavaProgram("dynamodb-local"),
  },
];

/** The server of an example, set up as it needs it. */
async function server(example: string, connectionTo: (address: string) => string): Promise<Target> {
  const backend = await (BACKENDS[example] as StartBackend).start();
  return { connectionString: connectionTo(backend.address), stop: () => backend.end() };
}

function s3(): Promise<Target> {
  return server("mirror-to-s3", (address) => `s3:endpoint=${address},bucketName=orders`);
}

function nats(): Promise<Target> {
  return server("mirror-to-nats", (address) => `nats:servers=${address},subject=orders,stream=ORDERS`);
}

function kafka(): Promise<Target> {
  return server("mirror-to-kafka", (address) => `kafka:servers=${address},topicName=orders`);
}

function dynamo(): Promise<Target> {
  const rest = "region=us-east-1,tableName=state,prefixLength=4";
  return server("count-by-tenant", (address) => `dynamo:endpoint=http://${address},${rest}`);
}

const BATCHES: readonly (readonly [string, object | undefined])[] = [
  ["one by one", undefined],
  ["ndjson, 500 a batch", { events: 500, seconds: 1, codec: "ndjson" }],
  ["ndjson.gz, 500 a batch", { events: 500, seconds: 1, codec: "ndjson.gz" }],
];

function named(connectionString: string): () => Promise<Target> {
  return async () => ({ connectionString, stop: async () => {} });
}

async function folder(): Promise<Target> {
  return { connectionString: scratchFolder(), stop: async () => {} };
}

async function httpTarget(args: readonly string[]): Promise<Target> {
  const { running, found } = await startProcess(
    process.execPath,
    ["bench/rig/upstream.ts", ...args],
    (said) => /listening (\S+)/.exec(said)?.[1],
  );
  return { connectionString: `http://${found}/`, stop: () => running.stop() };
}

async function open(type: SystemType, connectionString: string, batch: object | undefined): Promise<Runtime> {
  const config = {
    partitionUuid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    pipelines: [{ name: "mirror", processes: [{ name: "tee" }] }],
    processDefinitions: [{ tee: { name: "tee", outputConnectorRef: "target", ...(batch && { batch }) } }],
    externalSystems: [{ externalType: type, name: "target", connectionString }],
  };
  const loaded = loadConfig(JSON.stringify(config), { file: "bench", regexps: re2Regexps(), systemForm: findSystem });
  if (loaded.plan === undefined) throw new Error(JSON.stringify(loaded.diagnostics));
  return startRuntime(loaded.plan, loaded.systems, { log: () => {} });
}

const WORDS = ["order", "Ann", "Berlin", "4711", "true", "sku-", "EUR", "19.95", "customer", "shipped", "null", "note"];
/** Different events, so that gzip has the work that it has with traffic. */
const TEXTS = 997;

function eventTexts(bytes: number): string[] {
  let state = 1;
  const word = () => {
    state = (state * 48_271) % 2_147_483_647;
    return `${WORDS[state % WORDS.length]}${state % 1000} `;
  };
  return Array.from({ length: TEXTS }, (_, id) => {
    let text = "";
    while (text.length < bytes) text += word();
    const shell = JSON.stringify({ id, text: "" }).length;
    return JSON.stringify({ id, text: text.slice(0, Math.max(0, bytes - shell)) });
  });
}

/** Runs the pipeline on the next event, as a host does with each of a message. */
function newOffer(runtime: Runtime, bytes: number): () => void {
  const texts = eventTexts(bytes);
  const values = texts.map((text) => parseText(text, 0, text.length, 64).value as JsonObject);
  let next = 0;
  return () => {
    const text = texts[next] as string;
    const context = newRunContext(newEvent(values[next] as JsonObject, text, 0, text.length), runtime.ports);
    next = (next + 1) % TEXTS;
    void runPipelines(runtime.pipelines, context, 0); // a queued tee never waits
  };
}

function counted(runtime: Runtime, name: string): number {
  const rows = runtime.counters.snapshot().filter((row) => row.name === name);
  return rows.reduce((sum, row) => sum + row.value, 0);
}

async function round(system: System, batch: object | undefined): Promise<TeeRound> {
  const target = await system.open();
  const runtime = await open(system.type, target.connectionString, batch);
  const offer = newOffer(runtime, EVENT_BYTES);
  const start = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  for (let offered = 0; offered < system.events; offered++) {
    while (runtime.queued().events >= AHEAD) await soon();
    offer();
  }
  await runtime.close(60_000);
  const { user, system: kernel } = process.cpuUsage(cpu);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  await target.stop();
  const sent = counted(runtime, "teeSent");
  if (sent !== system.events) throw new Error(`${system.name}: ${sent} of ${system.events} events arrived`);
  return { perSecond: sent / seconds, cpuUs: (user + kernel) / sent };
}

async function measureSystem(system: System): Promise<TeeResults["systems"]> {
  const missing = await system.missing?.();
  if (missing !== undefined) {
    say(`${system.name} left out: ${missing}`);
    return [];
  }
  const measured: TeeResults["systems"] = [];
  for (const [name, batch] of system.batches ? BATCHES : BATCHES.slice(0, 1)) {
    const rounds: TeeRound[] = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push(await round(system, batch));
    measured.push({ name: system.name, batch: name, rounds });
    say(`${system.name} ${name}`);
  }
  return measured;
}

/** What lives, off the heap too: events are kept as bytes. What died is freed by and by. */
async function heldBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    global.gc?.();
    await delay(50);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Offers until the queue takes no more; what it then takes of the process, beside what it says it takes. */
async function measureFull(eventBytes: number, batch: object | undefined): Promise<TeeResults["full"][number]> {
  const target = await httpTarget(["1000000000"]); // answers in eleven days
  const runtime = await open("ExternalHttp", target.connectionString, batch);
  const offer = newOffer(runtime, eventBytes);
  const before = await heldBytes();
  while (counted(runtime, "teeDropped") === 0) for (let i = 0; i < 100; i++) offer();
  const held = (await heldBytes()) - before;
  const { events, bytes: accounted } = runtime.queued();
  await runtime.close(0);
  await target.stop();
  return { eventBytes, batch: batch === undefined ? "one by one" : "in batches", events, accounted, held };
}

/** Nobody listens there; DynamoDB's is asked at once, the others when they are needed. */
const DEAD = "127.0.0.1:9";
const CLIENTS: readonly (readonly [name: string, type: SystemType, connectionString: string])[] = [
  ["mem:", "ExternalPubSub", "mem:bench"],
  ["http:", "ExternalHttp", `http://${DEAD}/`],
  ["s3:", "ExternalObjectStore", `s3:endpoint=${DEAD},bucketName=orders`],
  ["dynamo:", "ExternalKVStore", `dynamo:endpoint=http://${DEAD},region=us-east-1,tableName=state,prefixLength=4`],
  ["nats:", "ExternalPubSub", `nats:servers=${DEAD},subject=orders`],
  ["kafka:", "ExternalPubSub", `kafka:servers=${DEAD},topicName=orders`],
];

async function measureClient(type: SystemType, connectionString: string): Promise<{ ms: number; bytes: number }> {
  const args = ["--expose-gc", "bench/rig/client-cost.ts", type, connectionString];
  const { code, stdout } = await runToEnd(process.execPath, args, 30_000);
  const [ms, bytes] = stdout.split(" ").map(Number);
  if (code !== 0 || ms === undefined || bytes === undefined) throw new Error(`opening ${connectionString} failed`);
  return { ms, bytes };
}

async function measureAll(loader: Loader): Promise<Omit<TeeResults, "date" | "versions">> {
  const measured: Omit<TeeResults, "date" | "versions" | "traffic"> = { systems: [], full: [], clients: [] };
  for (const [name, type, connectionString] of CLIENTS) {
    const rounds = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push(await measureClient(type, connectionString));
    measured.clients.push({ name, rounds });
  }
  for (const system of SYSTEMS) measured.systems.push(...(await measureSystem(system)));
  for (const bytes of [100, 1024, 16_384]) {
    for (const batch of [undefined, { events: 500, seconds: 900 }]) measured.full.push(await measureFull(bytes, batch));
  }
  const bench = { loader, upstream: await startUpstream(0) };
  const traffic = await measureTeeTraffic(bench, await findVariants(["native"]), TRAFFIC_ROUNDS, say);
  return { ...measured, traffic };
}

async function main(): Promise<void> {
  if (global.gc === undefined) throw new Error("run it as npm run bench:tee: it needs --expose-gc");
  const loader = await findLoader(undefined, say);
  const measured = await measureAll(loader);
  process.stdout.write(`Node ${process.version}, ${EVENT_BYTES}-byte events, ${ROUNDS} rounds\n\n`);
  process.stdout.write(terminalTable(systemsTable(measured)));
  process.stdout.write("\nA full queue, its target silent, of a process with the default budget\n");
  process.stdout.write(terminalTable(fullTable(measured)));
  process.stdout.write(`\nOpening a system\n${terminalTable(clientsTable(measured))}\n`);
  process.stdout.write(printScenarios([measured.traffic]));
  const worst = Math.max(...measured.full.map(({ accounted, held }) => held / accounted));
  const met = worst <= 1.1;
  process.stdout.write(
    `\n${met ? "met   " : "MISSED"} memory really held, of what is accounted: ${worst.toFixed(2)} (≤ 1.10)\n`,
  );
  if (!met) process.exitCode = 1;
  say(await writeResults("tees-", await withCircumstances(measured, loader.name)));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`); // stdout is for the tables
}

try {
  await main();
} finally {
  await stopEverything();
}
