/** The dynamo: system against DynamoDB Local, and against one whose answers get lost. */
import {
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KeyValueStore, StateStore } from "../../../engine/core/ports.ts";
import type { Fold, Join } from "../../../engine/core/state/update.ts";
import { type Bench, keepsValues, opened, outlivesRestarts, takesEvents } from "../../../engine/systems/contract.ts";
import { openDynamo, parseDynamo } from "../../../engine/systems/dynamo.ts";
import { COMPLETION_LIMITS, dynamoCompletions } from "../../../engine/systems/dynamo-completions.ts";
import type { Table } from "../../../engine/systems/dynamo-table.ts";
import { dynamoTallies, TALLY_LIMITS } from "../../../engine/systems/dynamo-tallies.ts";
import { newMemory } from "../../../engine/systems/memory.ts";
import { keepsState } from "../../../engine/systems/state-contract.ts";
import type { OpenedSystem } from "../../../engine/systems/system.ts";
import { whyNoJavaProgram } from "../../../tools/java-programs.ts";
import { createTable, type DynamoServer, startDynamo } from "../../../tools/servers/dynamodb.ts";
import { type Fault, type FaultyProxy, startFaultyProxy } from "./faulty-proxy.ts";

const missing = await whyNoJavaProgram("dynamodb-local");
if (missing !== undefined) process.stderr.write(`${missing}\n`);

const START_MS = 600_000; // the first time it is fetched
const credentials = { accessKeyId: "test", secretAccessKey: "testsecret" };

const add = (id: string, path = ["n"]): Fold => ({
  kind: "fold",
  id,
  key: "u:p:as",
  path,
  numbers: [{ name: "value", operator: "add", operand: 1 }],
  reads: true,
});

describe.skipIf(missing !== undefined)("DynamoDB", () => {
  let server: DynamoServer;
  let proxy: FaultyProxy;
  let looking: DynamoDBClient;
  let tables = 0;

  beforeAll(async () => {
    server = await startDynamo("in memory");
    proxy = await startFaultyProxy(server.endpoint);
    useServer(server);
  }, START_MS);
  afterAll(async () => {
    looking.destroy();
    await proxy.close();
    await server.end();
  });

  function useServer(used: DynamoServer): void {
    server = used;
    looking?.destroy();
    looking = new DynamoDBClient({ endpoint: server.endpoint, region: "us-east-1", credentials, maxAttempts: 10 });
  }

  async function newTable(hash = "KeyPrefix", range = "ValueKey"): Promise<string> {
    const TableName = `table${++tables}`;
    await createTable(looking, TableName, hash, range);
    return TableName;
  }

  async function open(table: string, prefixLength = 1, endpoint = server.endpoint): Promise<OpenedSystem> {
    const text = `dynamo:endpoint=${endpoint},region=us-east-1,tableName=${table},prefixLength=${prefixLength}`;
    const parsed = parseDynamo("ExternalKVStore", text);
    if ("error" in parsed) throw new Error(parsed.error);
    return opened(openDynamo(parsed, { name: "state", memory: newMemory(), options: { credentials } }));
  }

  function portOf({ port }: OpenedSystem): { store: KeyValueStore; states: StateStore } {
    if (port.type !== "ExternalKVStore" || port.states === undefined) throw new Error(port.type);
    return { store: port.store, states: port.states };
  }

  async function itemsOf(TableName: string) {
    const { Items = [] } = await looking.send(new ScanCommand({ TableName, ConsistentRead: true }));
    return Items;
  }

  async function openBench(): Promise<Bench> {
    const table = await newTable();
    const system = await open(table);
    return {
      opened: system,
      async arrived(id) {
        const Key = { KeyPrefix: { S: Array.from(id)[0] ?? "" }, ValueKey: { S: id } };
        const { Item } = await looking.send(new GetItemCommand({ TableName: table, Key, ConsistentRead: true }));
        const bytes = Item?.Value?.B;
        return bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8").replace(/\n$/, "");
      },
      ids: async () => (await itemsOf(table)).map((item) => item.ValueKey?.S ?? "").sort(),
      end: () => system.close(),
    };
  }

  describe("as it is:", () => {
    takesEvents("a table", openBench, 400_000);
    keepsValues("a table", async () => portOf(await open(await newTable())).store);
    keepsState("a table", async () => portOf(await open(await newTable())).states);
  });

  describe("in files:", () => {
    let inMemory: DynamoServer;
    beforeAll(async () => {
      inMemory = server;
      useServer(await startDynamo("in files"));
    }, START_MS);
    afterAll(async () => {
      await server.end();
      useServer(inMemory);
    });

    outlivesRestarts("a table", () => server, openBench);

    test("killed and started again in the middle, counts stay exact", { timeout: 120_000 }, async () => {
      const { states } = portOf(await open(await newTable()));
      const count = async (id: string): Promise<void> => {
        const answer = await states.update(add(id));
        if (answer.error === "") return;
        expect(answer.retryable).toBe(true);
        await count(id);
      };
      const early = Array.from({ length: 50 }, (_, i) => count(`id-${i}`));
      await early[0];
      await server.stop("SIGKILL");
      const late = Array.from({ length: 50 }, (_, i) => count(`id-${50 + i}`));
      await server.start();
      await Promise.all([...early, ...late]);
      expect((await states.update(add("id-0"))).values).toEqual({ n: { value: 100 } });
    });
  });

  describe("with every third answer lost, refused or throttled:", () => {
    const faults: Fault[] = [
      "lose",
      "refuse",
      { status: 400, body: '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}' },
      { status: 500, body: '{"__type":"InternalServerError"}' },
    ];
    // So that no request meets a fault more often in a row than the client tries: whatever fails once goes through next.
    const failed = new Set<string>();
    let requests = 0;
    beforeAll(() => {
      proxy.decide = ({ target, body }) => {
        const request = target + body;
        if (++requests % 3 !== 0 || failed.has(request)) return "pass";
        failed.add(request);
        return faults[proxy.faults % faults.length] ?? "pass";
      };
    });
    afterAll(() => {
      proxy.decide = () => "pass";
      expect(proxy.faults).toBeGreaterThan(100);
    });

    keepsState("a table", async () => portOf(await open(await newTable(), 1, proxy.endpoint)).states);
  });

  test("the layout is the original's: the first characters, the key, the value", async () => {
    const table = await newTable();
    const { store } = portOf(await open(table, 4));
    await store.put("abcdefgh", Uint8Array.of(0, 255));
    expect(await itemsOf(table)).toEqual([
      { KeyPrefix: { S: "abcd" }, ValueKey: { S: "abcdefgh" }, Value: { B: Uint8Array.of(0, 255) } },
    ]);
    for (const key of ["abc", "", "\ud800bcd", "x".repeat(1025)]) {
      expect(await store.put(key, Uint8Array.of(1))).toMatchObject({ code: "badId", retryable: false });
      expect(await store.get(key)).toMatchObject({ code: "badId" });
    }
    expect(await store.list("abc")).toMatchObject({ code: "badId" });
    expect(await store.put("large", Buffer.alloc(400 * 1024))).toMatchObject({ code: "tooLarge", retryable: false });
  });

  test("a group remembers ids of two generations, and no more", { timeout: 60_000 }, async () => {
    const table = await newTable();
    const { states } = portOf(await open(table));
    // 512 ids in a generation
    for (let i = 0; i < 1300; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, j) => states.update(add(`id-${i + j}`))));
    }
    const again = await Promise.all(Array.from({ length: 400 }, (_, i) => states.update(add(`id-${900 + i}`))));
    expect(again.every((answer) => answer.error === "")).toBe(true);
    const [item] = await itemsOf(table);
    expect(item?.["n:value"]?.N).toBe("1300");
    expect(item?.IdsNew?.BS?.length).toBeLessThanOrEqual(512);
    expect(item?.IdsOld?.BS?.length).toBe(512);
  });

  test("what clients make one process add is bounded: groups, buckets, values that wait", async () => {
    const library = await import("@aws-sdk/client-dynamodb");
    const name = await newTable();
    const table: Table = { library, client: looking, onceClient: looking, name, prefixLength: 1 };
    const count = dynamoTallies(table, { ...TALLY_LIMITS, groupsMax: 2 }, Date.now);
    const counted = [];
    for (const group of ["a", "b", "c", "a"])
      counted.push((await count(add(group + counted.length, ["n", group]))).reason);
    const wait = dynamoCompletions(table, { ...COMPLETION_LIMITS, pendingMax: 1 }, Date.now);
    const join = (key: string, joinKey: string): Join => ({
      kind: "join",
      id: key + joinKey,
      key,
      joinKeys: ["a", "b"],
      joinKey,
      timeoutMs: 0,
    });
    const joined = [];
    for (const [key, joinKey] of ["1a", "2a", "1b", "2a"]) {
      const { status, reason } = await wait(join(key as string, joinKey as string));
      joined.push(status ?? reason);
    }
    expect(counted).toEqual(["error", "error", "overload", "error"]); // "error" stands beside no error too
    expect(joined).toEqual(["triggered", "overload", "complete", "triggered"]);
    const bucket = (i: number): Fold => ({
      ...add(`bucket-${i}`, ["n", "a", "buckets"]),
      reads: false,
      numbers: [{ name: `${i}${"x".repeat(60_000)}`, operator: "add", operand: 1 }],
    });
    const roomy = dynamoTallies(table, TALLY_LIMITS, Date.now);
    const answers = [];
    for (let i = 0; i < 8; i++) answers.push(await roomy(bucket(i)));
    expect(answers.map(({ error }) => error === "").lastIndexOf(true)).toBe(5);
    expect(answers.at(-1)).toMatchObject({ reason: "overload", retryable: false });
  });

  test("what the original left is refused with a sentence, and nothing is added beside it", async () => {
    const table = await newTable();
    const Value = { B: Buffer.from('{"values":{"n:AggSum":{"value":7}}}\n') };
    const Item = { KeyPrefix: { S: "u" }, ValueKey: { S: "u:p:as" }, Value };
    await looking.send(new PutItemCommand({ TableName: table, Item }));
    const { states } = portOf(await open(table));
    expect(await states.update(add("1"))).toMatchObject({
      error: expect.stringContaining("the original agglo has left its counts"),
      retryable: false,
    });
    expect(await itemsOf(table)).toHaveLength(1);
  });

  test("what is over expires: soon when it is complete, a day after its deadline otherwise", async () => {
    const table = await newTable();
    const { states } = portOf(await open(table));
    const join = (key: string, joinKey: string): Join => ({
      kind: "join",
      id: `${key}${joinKey}`,
      key,
      joinKeys: ["a", "b"],
      joinKey,
      timeoutMs: 60_000,
    });
    const nowSeconds = Date.now() / 1000;
    await states.update(join("done", "a"));
    await states.update(join("done", "b"));
    await states.update(join("open", "a"));
    const expires = Object.fromEntries(
      (await itemsOf(table)).map((item) => [item.ValueKey?.S, Number(item.Expires?.N)]),
    );
    expect(Math.round(((expires.done as number) - nowSeconds) / 60)).toBe(10);
    expect(Math.round(((expires.open as number) - nowSeconds) / 60)).toBe(24 * 60 + 1);
  });

  test("a table that is not there, other keys and a missing time to live are said by the probe", async () => {
    const good = await newTable();
    expect(await (await open(good)).probe()).toEqual({
      found: "wrote, read and removed an item; joins stay in it for ever until its time to live is enabled on Expires",
    });
    const TimeToLiveSpecification = { Enabled: true, AttributeName: "Expires" };
    await looking.send(new UpdateTimeToLiveCommand({ TableName: good, TimeToLiveSpecification }));
    expect(await (await open(good, 36)).probe()).toEqual({ found: "wrote, read and removed an item" });
    expect(await itemsOf(good)).toEqual([]);
    expect(await (await open(await newTable("ValueKey", "KeyPrefix"))).probe()).toMatchObject({ code: "table" });
    expect(await (await open("missing")).probe()).toMatchObject({
      code: "ResourceNotFoundException",
      retryable: false,
    });
  });

  test("throttling, conflicts and faults are told apart", async () => {
    const table = await newTable();
    const { store } = portOf(await open(table, 1, proxy.endpoint));
    const answer = async (fault: Fault) => {
      proxy.decide = () => fault;
      const error = await store.compareAndSet("a", undefined, Uint8Array.of(1));
      proxy.decide = () => "pass";
      return error;
    };
    const type = (name: string) => JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}` });
    expect(await answer({ status: 400, body: type("ThrottlingException") })).toMatchObject({
      code: "throttled",
      retryable: true,
    });
    expect(await answer({ status: 500, body: type("InternalServerError") })).toMatchObject({
      code: "InternalServerError",
      retryable: true,
    });
    expect(await answer({ status: 400, body: type("AccessDeniedException") })).toMatchObject({
      code: "AccessDeniedException",
      retryable: false,
    });
    expect(await store.get("a")).toBeUndefined();
    // It went through, and is not repeated: who compares cannot tell his own value from another's.
    expect(await answer("lose")).toMatchObject({ code: "unreachable", retryable: true });
    expect(await store.get("a")).toEqual(Uint8Array.of(1));
    expect(await answer("pass")).toMatchObject({ code: "conflict", retryable: false });
  });
});
