/**
 * Elasticsearch, and OpenSearch, which speaks the same: every event goes through the bulk interface, alone and visible at
 * once or, with `bulk`, as many together as come, and each has an answer of its own. No library: it is one request.
 */
import type { ConfigOf, SystemDefinition } from "../core/definition.ts";
import type { SearchIndex, SystemError, SystemType } from "../core/ports.ts";
import { type BatchAnswer, newBatches } from "./batches.ts";
import { CLOSED, failure, isSystemError, refusedContent, refuseId } from "./failure.ts";
import { type Exchange, type Exchanges, newExchanges } from "./http-exchange.ts";
import { type Parameters, parseBoolean, parseParameters, partsOf } from "./parameters.ts";
import { searchDocument } from "./search-document.ts";
import { type OpenedSystem, type Parsed, type Probed, type Refusal, refuse, type SystemDeps } from "./system.ts";
import { readTls, TLS_FIELD } from "./tls.ts";

const TIMEOUT_MS = 30_000;
/** The original's. */
const BULK_THREADS = 4;
const BULK_BYTES = 5_000_000;
const BULK_DOCUMENTS = 1000;
/** Requests at once where each has one document. */
const SINGLE_REQUESTS = 8;

const options = {
  user: { kind: "string", doc: "With password, in place of authString." },
  password: { kind: "secret", doc: "With user." },
  apiKey: { kind: "secret", doc: "In place of user and password." },
  tls: TLS_FIELD,
  timeoutMs: { kind: "integer", min: 1, max: 600_000, doc: `For one request. Default ${TIMEOUT_MS}.` },
} as const;

export const elastic: SystemDefinition = {
  key: "elastic",
  summary: "Indexes each event, in the original's form, in Elasticsearch or OpenSearch.",
  types: ["ExternalSearchIndex"],
  grammar:
    "elastic:index=I,nodes=URL[;URL…][,authString=basic;USER;PASSWORD][,bulk=BOOL][,bulkThreads=N][,bulkThresholdBytes=N]; authString=cloud;CLOUD_ID;API_KEY has its own nodes",
  options,
};

export type ElasticSettings = Parsed & {
  index: string;
  /** origins, without a slash at the end */
  nodes: string[];
  /** value of the Authorization header; "" for none */
  authorization: string;
  bulk: boolean;
  threads: number;
  bytes: number;
};

export function parseElastic(_type: SystemType, connectionString: string): ElasticSettings | Refusal {
  const names = ["index", "nodes", "authString", "bulk", "bulkThreads", "bulkThresholdBytes"];
  const parameters = parseParameters(connectionString, names, ["index"]);
  if ("refusal" in parameters) return parameters.refusal as Refusal;
  const { index = "", authString = "" } = parameters;
  if (!/^[a-z0-9][a-z0-9._-]{0,254}$/.test(index)) {
    return refuse(
      "the index has no name that Elasticsearch takes",
      "write lower-case letters, digits, dots, dashes or _",
    );
  }
  const access = parseAccess(parameters.nodes ?? "", authString);
  if ("error" in access) return access;
  const bulk = parseBoolean(parameters, "bulk") ?? false;
  if (typeof bulk === "object") return bulk.refusal;
  const threads = parseCount(parameters, "bulkThreads", BULK_THREADS);
  const bytes = parseCount(parameters, "bulkThresholdBytes", BULK_BYTES);
  if (threads === undefined || bytes === undefined) {
    return refuse(
      "bulkThreads and bulkThresholdBytes are whole numbers of at least 1",
      "leave them out for 4 and 5000000",
    );
  }
  const shown = connectionString.slice("elastic:".length).replace(/(authString=[^;,]*;)[^,]*/, "$1***");
  return { outputType: "searchIndex", connectionString: shown, index, ...access, bulk, threads, bytes };
}

type Access = { nodes: string[]; authorization: string };

/** Nothing of an authString is in a refusal. */
function parseAccess(nodes: string, authString: string): Access | Refusal {
  const [way = "", first = "", ...rest] = authString.split(";");
  const second = rest.join(";"); // a password may hold what separates
  if (way === "cloud") {
    const node = cloudNode(first);
    if (node === undefined || second === "")
      return refuse("authString=cloud is not followed by a cloud id and a key", "");
    return { nodes: [node], authorization: `ApiKey ${second}` };
  }
  if (way !== "" && (way !== "basic" || first === "")) {
    return refuse("authString is neither basic;USER;PASSWORD nor cloud;CLOUD_ID;API_KEY", "or leave it out");
  }
  const origins = partsOf(nodes).map(originOf);
  if (origins.length === 0 || origins.some((origin) => origin === "")) {
    return refuse("nodes is no list of http:// or https:// URLs without user and path", "join several by semicolons");
  }
  return { nodes: origins, authorization: way === "" ? "" : basic(first, second) };
}

/** `NAME:base64(HOST$UUID$…)` -> `https://UUID.HOST` */
function cloudNode(cloudId: string): string | undefined {
  const encoded = cloudId.slice(cloudId.lastIndexOf(":") + 1);
  const [host = "", uuid = ""] = Buffer.from(encoded, "base64").toString("utf8").split("$");
  return originOf(`https://${uuid}.${host}`) || undefined;
}

/** "": it is none */
function originOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") return "";
  return url.pathname === "/" && url.search === "" && !url.hostname.startsWith(".") ? url.origin : "";
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function parseCount(parameters: Parameters, name: string, fallback: number): number | undefined {
  const text = parameters[name];
  if (text === undefined) return fallback;
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

export async function openElastic(settings: ElasticSettings, deps: SystemDeps): Promise<OpenedSystem | SystemError> {
  const chosen = (deps.options ?? {}) as ConfigOf<typeof options>; // the loader has checked them
  const tls = readTls(chosen.tls) ?? {};
  if (isSystemError(tls)) return tls;
  const authorization = authorizationOf(settings, chosen);
  const headers = { "content-type": "application/x-ndjson", ...(authorization === "" ? {} : { authorization }) };
  const timeoutMs = chosen.timeoutMs ?? TIMEOUT_MS;
  const target = (method: string, path: string): Exchanges[] =>
    settings.nodes.map((node) => newExchanges({ url: node + path, method, headers, shown: node, timeoutMs, tls }));
  const { bulk, threads, bytes, index } = settings;
  const writing = target("POST", `/_bulk${bulk ? "" : "?refresh=true"}`);
  const looking = target("HEAD", `/${index}`);
  const batches = newBatches<Document>({
    concurrency: bulk ? threads : SINGLE_REQUESTS,
    bytesMax: bytes,
    itemsMax: bulk ? BULK_DOCUMENTS : 1,
    send: (documents) => sendBulk(writing, index, documents),
  });
  const state = { closed: false };
  const search: SearchIndex = {
    async index(id, event) {
      if (state.closed) return CLOSED;
      const document = searchDocument(event);
      if (document === undefined) return failure("notAnObject", "only a JSON object can be indexed", false);
      const text = JSON.stringify(document);
      return refuseId(id) ?? batches.add({ id, text }, text.length);
    },
  };
  return {
    port: { type: "ExternalSearchIndex", search },
    probe: async () => (state.closed ? CLOSED : probe(looking, index)),
    async close() {
      state.closed = true;
      await batches.idle();
      for (const exchanges of [...writing, ...looking]) exchanges.close();
    },
  };
}

type Document = { id: string; text: string };

function authorizationOf(settings: ElasticSettings, chosen: ConfigOf<typeof options>): string {
  if (chosen.apiKey !== undefined) return `ApiKey ${chosen.apiKey}`;
  return chosen.user === undefined ? settings.authorization : basic(chosen.user, chosen.password ?? "");
}

async function sendBulk(
  nodes: readonly Exchanges[],
  index: string,
  documents: readonly Document[],
): Promise<BatchAnswer> {
  const lines = documents.map(({ id, text }) => `{"index":{"_index":"${index}","_id":"${id}"}}\n${text}\n`);
  const answer = await ask(nodes, Buffer.from(lines.join("")));
  if (isSystemError(answer)) return answer;
  if (answer.status !== 200) return refusedStatus(answer.status, "indexing");
  const items = itemsOf(answer.reply);
  // An answer that does not say what became of each says nothing: all are sent again, under the same ids.
  if (items?.length !== documents.length) return failure("badReply", "the reply to a bulk request is none", true);
  return items.map((status) => (status < 300 ? undefined : refusedStatus(status, "indexing a document")));
}

/** The first node that answers. A node that is overloaded has answered: its reply is not the others' fault. */
async function ask(nodes: readonly Exchanges[], body: Buffer): Promise<Exchange | SystemError> {
  let answer: Exchange | SystemError = failure("unreachable", "there is no node", true);
  for (const node of nodes) {
    answer = await node.post("", body);
    if (!isSystemError(answer)) return answer;
  }
  return answer;
}

function refusedStatus(status: number, doing: string): SystemError {
  if (status === 413) return refusedContent("tooLarge", `status 413 ${doing}: larger than the server takes`);
  if (status === 400) return refusedContent("http400", `status 400 ${doing}`);
  return failure(`http${status}`, `status ${status} ${doing}`, status >= 500 || status === 429 || status === 408);
}

/** The status of each document, in their order; undefined: it is no bulk reply. */
function itemsOf(reply: string): number[] | undefined {
  try {
    const { items } = JSON.parse(reply) as { items?: { index?: { status?: number } }[] };
    return items?.map((item) => item.index?.status ?? 500);
  } catch {
    return undefined;
  }
}

async function probe(nodes: readonly Exchanges[], index: string): Promise<Probed | SystemError> {
  const answer = await ask(nodes, Buffer.alloc(0));
  if (isSystemError(answer)) return answer;
  if (answer.status === 404) return { found: `index ${index} is not there yet, wrote nothing` };
  return answer.status === 200
    ? { found: `index ${index} is there, wrote nothing` }
    : refusedStatus(answer.status, `asking for index ${index}`);
}
