/**
 * NATS with JetStream: every message is acknowledged by its stream, and its id lets the stream drop what it has already.
 * The connection is made when it is first needed, kept, and made again by the client; while there is none nothing is
 * sent, so that nothing piles up in the client that its sender has given up.
 */
import type { JetStreamClient } from "@nats-io/jetstream";
import type { NatsConnection, NodeConnectionOptions } from "@nats-io/transport-node";
import type { ConfigOf, SystemDefinition } from "../core/definition.ts";
import type { MessageAbout, Publisher, SystemError, SystemType } from "../core/ports.ts";
import { CLOSED, failure, isSystemError, refusedContent, refuseId } from "./failure.ts";
import { guardPublisher } from "./guard.ts";
import { parseParameters, partsOf } from "./parameters.ts";
import { type OpenedSystem, type Parsed, type Probed, type Refusal, refuse, type SystemDeps } from "./system.ts";
import { readTls, TLS_FIELD, type Tls } from "./tls.ts";

const TIMEOUT_MS = 5000;
const RECONNECT_MS = 250;

const options = {
  user: { kind: "string", doc: "With password." },
  password: { kind: "secret", doc: "With user." },
  token: { kind: "secret", doc: "In place of user and password." },
  credentials: {
    kind: "secret",
    doc: "The text of a credentials file (JWT and NKey), as in `${file:/etc/nats.creds}`.",
  },
  tls: TLS_FIELD,
  timeoutMs: {
    kind: "integer",
    min: 1,
    max: 600_000,
    doc: `For connecting, and for an acknowledgement. Default ${TIMEOUT_MS}.`,
  },
} as const;

export const nats: SystemDefinition = {
  key: "nats",
  summary: "Publishes each event to a JetStream subject, acknowledged, with its id for de-duplication.",
  types: ["ExternalPubSub"],
  grammar: "nats:servers=HOST:PORT[;HOST:PORT…],subject=S[,stream=NAME]",
  options,
};

export type NatsSettings = Parsed & {
  servers: string[];
  subject: string;
  /** the stream that must be the one to acknowledge; "": any */
  stream: string;
};

const SUBJECT = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;

export function parseNats(_type: SystemType, connectionString: string): NatsSettings | Refusal {
  const parameters = parseParameters(connectionString, ["servers", "subject", "stream"], ["servers", "subject"]);
  if ("refusal" in parameters) return parameters.refusal as Refusal;
  const { servers = "", subject = "", stream = "" } = parameters;
  if (!SUBJECT.test(subject)) {
    return refuse("the subject is none to publish to", "write words joined by dots, without * and >");
  }
  if (servers.includes("@")) return refuse("a user stands in servers", "write user and password under options");
  return { outputType: "pubsub", connectionString, servers: partsOf(servers), subject, stream };
}

type Chosen = ConfigOf<typeof options>;
type Libraries = typeof import("@nats-io/transport-node") & typeof import("@nats-io/jetstream");
type Live = { connection: NatsConnection; jetstream: JetStreamClient; connected: boolean };
type State = {
  settings: NatsSettings;
  libraries: Libraries;
  connecting: NodeConnectionOptions;
  timeoutMs: number;
  live: Promise<Live> | undefined;
  closed: boolean;
};

export async function openNats(settings: NatsSettings, deps: SystemDeps): Promise<OpenedSystem | SystemError> {
  const chosen = (deps.options ?? {}) as Chosen; // the loader has checked them
  const tls = readTls(chosen.tls);
  if (tls !== undefined && isSystemError(tls)) return tls;
  const libraries = { ...(await import("@nats-io/transport-node")), ...(await import("@nats-io/jetstream")) };
  const timeoutMs = chosen.timeoutMs ?? TIMEOUT_MS;
  const connecting = connectOptions(settings, chosen, tls, libraries, timeoutMs);
  const state: State = { settings, libraries, connecting, timeoutMs, live: undefined, closed: false };
  const publisher: Publisher = {
    publish: async (id, message, about) => refuseId(id) ?? (await publish(state, id, message, about)),
  };
  return {
    port: { type: "ExternalPubSub", publisher: guardPublisher(publisher, state) },
    probe: async () => (state.closed ? CLOSED : probe(state)),
    async close() {
      state.closed = true;
      // One that fails to connect has nothing to close.
      const live = await state.live?.catch(() => undefined);
      await live?.connection.close();
    },
  };
}

function connectOptions(
  { servers }: NatsSettings,
  chosen: Chosen,
  tls: Tls | undefined,
  { credsAuthenticator }: Libraries,
  timeoutMs: number,
): NodeConnectionOptions {
  const { user, password: pass, token, credentials } = chosen;
  return {
    servers,
    name: "agglo",
    timeout: timeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    ignoreAuthErrorAbort: true,
    ...(user === undefined ? {} : { user, pass: pass ?? "" }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(Buffer.from(credentials)) }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** The connection, made now if there is none. Rejects where none can be made; the next one to ask tries again. */
function live(state: State): Promise<Live> {
  state.live ??= connect(state);
  return state.live;
}

async function connect(state: State): Promise<Live> {
  const { libraries, connecting } = state;
  try {
    const connection = await libraries.connect(connecting);
    const live: Live = { connection, jetstream: libraries.jetstream(connection), connected: true };
    void follow(state, live);
    return live;
  } catch (thrown) {
    state.live = undefined;
    throw thrown;
  }
}

async function follow(state: State, live: Live): Promise<void> {
  for await (const { type } of live.connection.status()) {
    if (type === "disconnect") live.connected = false;
    else if (type === "reconnect") live.connected = true;
  }
  state.live = undefined; // closed for good
}

async function publish(
  state: State,
  id: string,
  message: Uint8Array,
  about: MessageAbout | undefined,
): Promise<SystemError | undefined> {
  const { subject, stream } = state.settings;
  try {
    const { jetstream, connected } = await live(state);
    if (!connected) return failure("unreachable", `no connection publishing to ${subject}`, true);
    await jetstream.publish(subject, message, {
      msgID: id,
      timeout: state.timeoutMs,
      ...(about === undefined ? {} : { headers: headersOf(state.libraries, about) }),
      ...(stream === "" ? {} : { expect: { streamName: stream } }),
    });
    return undefined;
  } catch (thrown) {
    return natsFailure(state.libraries, `publishing to ${subject}`, thrown);
  }
}

function headersOf({ headers }: Libraries, about: MessageAbout) {
  const made = headers();
  for (const [name, value] of Object.entries(about.headers)) made.set(name, value);
  return made;
}

/** JetStream's `JSStreamMessageExceedsMaximumErr`. */
const MESSAGE_TOO_LARGE = 10054;

function natsFailure(libraries: Libraries, doing: string, thrown: unknown): SystemError {
  const { errors, JetStreamApiError } = libraries;
  const name = thrown instanceof Error ? thrown.name : String(thrown);
  // Nobody answers where no stream takes the subject, and where a cluster is choosing a leader for it.
  if (name === "JetStreamNotEnabled" || name === "StreamNotFoundError") {
    return failure("noStream", `no stream answers ${doing}`, true);
  }
  if (thrown instanceof JetStreamApiError) {
    const { code, status } = thrown;
    if (code === MESSAGE_TOO_LARGE) return refusedContent("tooLarge", `larger than the stream takes ${doing}`);
    return failure(`jetstream${code}`, `JetStream's error ${code} (status ${status}) ${doing}`, status >= 500);
  }
  if (thrown instanceof errors.AuthorizationError || thrown instanceof errors.PermissionViolationError) {
    return failure("refused", `${name} ${doing}: look at user, password, token or credentials`, false);
  }
  // A header that is none, a message that is larger than the server takes.
  if (thrown instanceof errors.InvalidArgumentError) {
    const code = /max_payload/.test(thrown.message) ? "tooLarge" : "invalid";
    return refusedContent(code, `${thrown.message} ${doing}`);
  }
  return failure("unreachable", `${name} ${doing}`, true);
}

async function probe(state: State): Promise<Probed | SystemError> {
  const { subject, stream } = state.settings;
  try {
    const { connection } = await live(state);
    const manager = await state.libraries.jetstreamManager(connection, { timeout: state.timeoutMs });
    const found = await manager.streams.find(subject);
    if (stream === "" || stream === found) return { found: `stream ${found} takes ${subject}, sent nothing` };
    return failure("otherStream", `${subject} belongs to the stream ${found}, not ${stream}`, false);
  } catch (thrown) {
    return natsFailure(state.libraries, `asking for the stream of ${subject}`, thrown);
  }
}
