/**
 * DynamoDB: a key-value store with the original's table, and exact counts and joins in the same table for any number of
 * processes. Reads are consistent; requests that could do harm twice are not repeated.
 */
import type { DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import type { ConfigOf, SystemDefinition } from "../core/definition.ts";
import type { KeyValueStore, StateStore, SystemError, SystemType } from "../core/ports.ts";
import { CREDENTIAL_FIELDS } from "./aws-credentials.ts";
import { COMPLETION_LIMITS, dynamoCompletions } from "./dynamo-completions.ts";
import { type Table, tableFailure } from "./dynamo-table.ts";
import { dynamoTallies, TALLY_LIMITS } from "./dynamo-tallies.ts";
import { dynamoValues, tryValues } from "./dynamo-values.ts";
import { CLOSED, failure } from "./failure.ts";
import { guardStates, guardStore } from "./guard.ts";
import { parseParameters } from "./parameters.ts";
import { type OpenedSystem, type Parsed, type Probed, type Refusal, refuse, type SystemDeps } from "./system.ts";

const TIMEOUT_MS = 5000;
const CONNECT_MS = 3000;
const SOCKETS_MAX = 256;
const ATTEMPTS = 4;

const options = {
  credentials: {
    kind: "object",
    doc: "Left out: AWS's own chain.",
    fields: CREDENTIAL_FIELDS,
  },
  timeoutMs: { kind: "integer", min: 1, max: 600_000, doc: `For one request. Default ${TIMEOUT_MS}.` },
} as const;

export const dynamo: SystemDefinition = {
  key: "dynamo",
  summary:
    "Keeps values, counts and joins in a table with the hash key KeyPrefix and the range key ValueKey, both strings; enable its time to live on Expires.",
  types: ["ExternalKVStore"],
  grammar: "dynamo:endpoint=URL,region=R,tableName=T,prefixLength=N",
  options,
};

export type DynamoSettings = Parsed & { endpoint: string; region: string; table: string; prefixLength: number };

export function parseDynamo(_type: SystemType, connectionString: string): DynamoSettings | Refusal {
  const names = ["endpoint", "region", "tableName", "prefixLength"];
  const parameters = parseParameters(connectionString, names, names);
  if ("refusal" in parameters) return parameters.refusal as Refusal;
  const { endpoint: written = "", region = "", tableName: table = "", prefixLength = "" } = parameters;
  if (!/^[1-9]\d{0,2}$/.test(prefixLength)) {
    return refuse("prefixLength is no number from 1 to 999", "write how many characters of a key share a partition");
  }
  // As Go's client completes it.
  const endpoint = /^https?:\/\//.test(written) ? written : `https://${written}`;
  const url = URL.parse(endpoint);
  if (url === null || url.username !== "" || url.password !== "") {
    return refuse(
      "the endpoint is no URL without a user",
      "write https://dynamodb.REGION.amazonaws.com or http://HOST:PORT",
    );
  }
  const shown = connectionString.slice("dynamo:".length);
  const common = { outputType: "kvstore", connectionString: shown };
  return { ...common, endpoint, region, table, prefixLength: Number(prefixLength) };
}

export async function openDynamo(settings: DynamoSettings, deps: SystemDeps): Promise<OpenedSystem> {
  const chosen = (deps.options ?? {}) as ConfigOf<typeof options>; // the loader has checked them
  const library = await import("@aws-sdk/client-dynamodb");
  const config = clientConfig(settings, chosen);
  const client = new library.DynamoDBClient({ ...config, maxAttempts: ATTEMPTS });
  const onceClient = new library.DynamoDBClient({ ...config, maxAttempts: 1 });
  const table: Table = { library, client, onceClient, name: settings.table, prefixLength: settings.prefixLength };
  const state = { closed: false };
  await warmUp(table);
  const store = dynamoValues(table);
  const fold = dynamoTallies(table, TALLY_LIMITS, Date.now);
  const join = dynamoCompletions(table, COMPLETION_LIMITS, Date.now);
  const states: StateStore = { update: (update) => (update.kind === "fold" ? fold(update) : join(update)) };
  return {
    port: { type: "ExternalKVStore", store: guardStore(store, state), states: guardStates(states, state) },
    probe: async () => (state.closed ? CLOSED : probe(table, store)),
    async close() {
      state.closed = true;
      client.destroy();
      onceClient.destroy();
    },
  };
}

/**
 * The first request looks for credentials, loads what that needs and connects: longer than a route may wait. Whether the
 * table is there is another matter, and no reason not to start.
 */
async function warmUp({ onceClient, library, name: TableName, prefixLength }: Table): Promise<void> {
  const key = "agglo-check-".padEnd(prefixLength, "-");
  const Key = { KeyPrefix: { S: key.slice(0, prefixLength) }, ValueKey: { S: key } };
  await onceClient.send(new library.GetItemCommand({ TableName, Key })).catch(() => undefined);
}

function clientConfig(settings: DynamoSettings, chosen: ConfigOf<typeof options>): DynamoDBClientConfig {
  const { endpoint, region } = settings;
  const credentials = chosen.credentials as { accessKeyId: string; secretAccessKey: string } | undefined;
  const agent = { maxSockets: SOCKETS_MAX };
  const requestTimeout = chosen.timeoutMs ?? TIMEOUT_MS;
  return {
    endpoint,
    region,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: CONNECT_MS,
      requestTimeout,
      throwOnRequestTimeout: true,
    },
    ...(credentials === undefined ? {} : { credentials }),
  };
}

async function probe(table: Table, store: KeyValueStore): Promise<Probed | SystemError> {
  const { client, library, name: TableName } = table;
  try {
    const { Table: described } = await client.send(new library.DescribeTableCommand({ TableName }));
    const keys = (described?.KeySchema ?? [])
      .map(({ AttributeName, KeyType }) => `${KeyType} ${AttributeName}`)
      .join(", ");
    if (keys !== "HASH KeyPrefix, RANGE ValueKey") {
      return failure("table", `table ${TableName} has the keys ${keys}, not HASH KeyPrefix, RANGE ValueKey`, false);
    }
    const failed = await tryValues(store, table.prefixLength);
    if (failed !== undefined) return failed;
    const { TimeToLiveDescription: live } = await client.send(new library.DescribeTimeToLiveCommand({ TableName }));
    const expires = live?.AttributeName === "Expires" && live.TimeToLiveStatus === "ENABLED";
    const advice = expires ? "" : "; joins stay in it for ever until its time to live is enabled on Expires";
    return { found: `wrote, read and removed an item${advice}` };
  } catch (thrown) {
    return tableFailure(table, "describing", thrown);
  }
}
