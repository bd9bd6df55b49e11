/**
 * What a section asks of the outside, when it runs on a thread of the pool. Time, chance, patterns and keyed hashes are
 * the thread's own; sockets, stores, programs and queues live on the main thread alone.
 *
 *   states, commands, checkpoints  a question over a message port, and its answer; so are tees that are waited for
 *   counters, tees, instruments    recorded; they travel with the verdict, and what comes after it in a message of its own
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type {
  Checkpoints,
  CommandFailure,
  CommandRequest,
  Commands,
  Delivery,
  Instruments,
  Ports,
  SystemError,
  TeeSending,
  Tees,
  TeeTarget,
} from "../core/ports.ts";
import { failure } from "../systems/failure.ts";
import { type Keys, keyedHmacs, mathRandom, nodeDelays, nodeTimers, systemClock, uuidIds } from "./ports.ts";
import { re2Regexps } from "./regexps.ts";
import { ajvSchemas } from "./schemas.ts";
import { remoteStates, serveStates } from "./state-channel.ts";
import { answerCalls, remoteCalls } from "./thread-calls.ts";

type Kind = "pipeline" | "process";

/** A copy and where it goes. */
type TeeCall = { target: TeeTarget; sending: TeeSending; id: string; payload: string };

/** What a run did to the outside and did not wait for, in order. */
export type Effects = {
  counts: { name: string; label: string; amount: number }[];
  offers: TeeCall[];
  latencies: { kind: Kind; name: string; ns: number }[];
  ends: { kind: Kind; name: string; succeeded: boolean }[];
};

/** One plan's ports of one thread, as they cross to the main thread. */
export type ThreadPorts = {
  states: MessagePort;
  commands: MessagePort;
  checkpoints: MessagePort;
  deliveries: MessagePort;
  effects: MessagePort;
};

export function closePorts(ports: ThreadPorts): void {
  for (const port of Object.values(ports)) port.close();
}

/** Does on the main thread what a run recorded. */
export function applyEffects(effects: Effects, ports: Ports): void {
  for (const { name, label, amount } of effects.counts) ports.counters.add(name, label, amount);
  for (const { target, sending, id, payload } of effects.offers) ports.tees.offer(target, sending, id, payload);
  for (const { kind, name, ns } of effects.latencies) ports.instruments.latency(kind, name, ns);
  for (const { kind, name, succeeded } of effects.ends) ports.instruments.ended(kind, name, succeeded);
}

export type Served = {
  /** Resolves when the thread waits for nothing and everything it recorded is done, or when it is gone. */
  settle(): Promise<void>;
  close(): void;
};

/** What the main thread says to have what is recorded, and what the thread says after it. */
const FLUSH = "flush";

/** Answers one thread from the main thread's ports, until it is gone or `close`. */
export function servePorts(thread: ThreadPorts, ports: Ports, onClose: () => void): Served {
  const open = [
    serveStates(thread.states, ports.states),
    answerCalls<CommandRequest, CommandAnswer>(thread.commands, (request) => ports.commands.run(request)),
    answerCalls<CheckpointCall, CheckpointAnswer>(thread.checkpoints, (call) => answerCheckpoint(ports, call)),
    answerCalls<TeeCall, Delivery>(thread.deliveries, ({ target, sending, id, payload }) =>
      ports.tees.deliver(target, sending, id, payload),
    ),
  ];
  let flushed: (() => void) | undefined;
  let isClosed = false;
  thread.effects.on("message", (message: Effects | typeof FLUSH) => {
    if (message === FLUSH) flushed?.();
    else applyEffects(message, ports);
  });
  thread.effects.on("close", () => {
    isClosed = true;
    flushed?.();
    onClose();
  });
  // The server's sockets keep the process alive, not a thread that has nothing to do.
  for (const port of Object.values(thread)) port.unref();
  const flush = () =>
    new Promise<void>((resolve) => {
      flushed = resolve;
      if (isClosed) resolve();
      else thread.effects.postMessage(FLUSH);
    });
  return {
    async settle() {
      // An answer may lead to the next question, and a last one to a copy for a tee.
      do {
        await Promise.all(open.flatMap((answers) => [...answers]));
        await flush();
      } while (!isClosed && open.some((answers) => answers.size > 0));
    },
    close: () => closePorts(thread),
  };
}

export type Recording = {
  ports: Ports;
  /** the other ends, for servePorts */
  remote: ThreadPorts;
  /** what was recorded since the last time */
  take(): Effects;
  /** the main thread has closed its ends: the plan is not used any more */
  onClose(callback: () => void): void;
};

/** The ports of a plan on this thread. `keys`: those of the plan's secrets. `teesWait`: as on the main thread. */
export function recordingPorts(keys: Keys, teesWait: boolean): Recording {
  const states = new MessageChannel();
  const commands = new MessageChannel();
  const checkpoints = new MessageChannel();
  const deliveries = new MessageChannel();
  const effects = new MessageChannel();
  const deliver = remoteDeliveries(deliveries.port1);
  const recorder = newRecorder((late) => effects.port1.postMessage(late));
  effects.port1.on("message", () => {
    recorder.flush();
    effects.port1.postMessage(FLUSH);
  });
  return {
    ports: {
      ...recorder.ports,
      tees: { waits: teesWait, offer: recorder.offer, deliver },
      regexps: re2Regexps(),
      schemas: ajvSchemas(re2Regexps()),
      clock: systemClock(),
      ids: uuidIds(),
      hmacs: keyedHmacs(keys),
      delays: nodeDelays(nodeTimers()),
      random: mathRandom(),
      states: remoteStates(states.port1),
      commands: remoteCommands(commands.port1),
      checkpoints: remoteCheckpoints(checkpoints.port1),
    },
    remote: {
      states: states.port2,
      commands: commands.port2,
      checkpoints: checkpoints.port2,
      deliveries: deliveries.port2,
      effects: effects.port2,
    },
    take: recorder.take,
    onClose: (callback) => effects.port1.on("close", callback),
  };
}

type Recorder = {
  ports: Pick<Ports, "counters" | "instruments">;
  offer: Tees["offer"];
  take(): Effects;
  /** hands over what is recorded, if anything is */
  flush(): void;
};

/** Collects what a run does until it is taken; what nobody took by the end of the turn is handed to `late`. */
function newRecorder(late: (effects: Effects) => void): Recorder {
  let effects = newEffects();
  let counts = new Map<string, Effects["counts"][number]>();
  let isScheduled = false;
  let isEmpty = true;
  const take = (): Effects => {
    const taken = effects;
    effects = newEffects();
    counts = new Map();
    isEmpty = true;
    return taken;
  };
  const flush = (): void => {
    isScheduled = false;
    if (!isEmpty) late(take());
  };
  const touch = (): void => {
    isEmpty = false;
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(flush);
  };
  // A body of ten thousand events counts in few places.
  const add = (name: string, label: string, amount: number): void => {
    touch();
    const key = `${name}\0${label}`;
    const count = counts.get(key);
    if (count !== undefined) {
      count.amount += amount;
      return;
    }
    const first = { name, label, amount };
    counts.set(key, first);
    effects.counts.push(first);
  };
  const instruments: Instruments = {
    nowNs: () => Number(process.hrtime.bigint()),
    latency(kind, name, ns) {
      touch();
      effects.latencies.push({ kind, name, ns });
    },
    ended(kind, name, succeeded) {
      touch();
      effects.ends.push({ kind, name, succeeded });
    },
    span: () => ({ traceparent: "", end: () => undefined }), // no SDK is registered on a thread
  };
  return {
    ports: { counters: { add }, instruments },
    offer(target, sending, id, payload) {
      touch();
      effects.offers.push({ target, sending, id, payload });
    },
    take,
    flush,
  };
}

function newEffects(): Effects {
  return { counts: [], offers: [], latencies: [], ends: [] };
}

type CommandAnswer = { stdout: string } | CommandFailure;

function remoteCommands(port: MessagePort): Commands {
  const gone = { ...failure("closed", "was not started: this process is ending", false), stderr: "" };
  const stuck = { ...failure("overload", "was not started: too many are asked for already", true), stderr: "" };
  const ask = remoteCalls<CommandRequest, CommandAnswer>(port, gone, stuck);
  return { run: async (request) => ask(request) };
}

function remoteDeliveries(port: MessagePort): Tees["deliver"] {
  const gone = { error: "was not sent: this process is ending", retryable: false, response: "" };
  const stuck = { error: "was not sent: too many are waited for already", retryable: true, response: "" };
  const ask = remoteCalls<TeeCall, Delivery>(port, gone, stuck);
  return async (target, sending, id, payload) => ask({ target, sending, id, payload });
}

type CheckpointCall =
  | { do: "read" | "remove"; target: TeeTarget; pipeline: string; messageId: string }
  | { do: "write"; target: TeeTarget; pipeline: string; messageId: string; record: string };
/** {}: there is none, or it is done. */
type CheckpointAnswer = { record?: string; error?: SystemError };

async function answerCheckpoint({ checkpoints }: Ports, call: CheckpointCall): Promise<CheckpointAnswer> {
  const { target, pipeline, messageId } = call;
  if (call.do === "read") {
    const found = await checkpoints.read(target, pipeline, messageId);
    return found === undefined || "record" in found ? { ...found } : { error: found };
  }
  const error =
    call.do === "write"
      ? await checkpoints.write(target, pipeline, messageId, call.record)
      : await checkpoints.remove(target, pipeline, messageId);
  return error === undefined ? {} : { error };
}

function remoteCheckpoints(port: MessagePort): Checkpoints {
  const gone = { error: failure("closed", "the thread that keeps the records is gone", false) };
  const stuck = { error: failure("overload", "the thread that keeps the records does not answer", true) };
  const ask = remoteCalls<CheckpointCall, CheckpointAnswer>(port, gone, stuck);
  return {
    async read(target, pipeline, messageId) {
      const { record, error } = await ask({ do: "read", target, pipeline, messageId });
      return error ?? (record === undefined ? undefined : { record });
    },
    write: async (target, pipeline, messageId, record) =>
      (await ask({ do: "write", target, pipeline, messageId, record })).error,
    remove: async (target, pipeline, messageId) => (await ask({ do: "remove", target, pipeline, messageId })).error,
  };
}
