/**
 * What a host without a proxy does with bytes that are posted to it: the same on the event loop and on a pool's thread, as
 * treat-content.ts is for the sections of routes.
 *
 *   post    all pipelines on each event of a body, and the answer      200, 400, 413, a filter's own, 500
 *   split   a body into the bytes of its events, to keep them
 *   event   all pipelines on one event that was kept
 */
import { isUtf8 } from "node:buffer";
import type { Body } from "../core/body/body.ts";
import { openBytes } from "../core/body/utf8.ts";
import type { Event } from "../core/event/event.ts";
import type { FaultReason } from "../core/outcome.ts";
import { answerPost, overloaded, type PostAnswer, refusePost, type Wanted } from "./post-answer.ts";
import {
  type EventRun,
  failureText,
  type Runner,
  readEvent,
  readEvents,
  runEvent,
  runEvents,
  type TextRun,
} from "./run-text.ts";
import { decodeUtf8, encodeUtf8 } from "./treat-content.ts";
import { whyUnreadable } from "./unreadable.ts";

/** A body as it came, its coding undone. */
export type Post = Wanted & {
  content: Uint8Array;
  contentType: string;
  /** the request's: its events' are made of it */
  id: string;
};

/** How many events all pipelines ran on, by what came of it. */
export type Tally = { succeeded: number; refused: number; faulted: number };

export type Posted = {
  answer: PostAnswer;
  /** what its events go by; "": none has run */
  id: string;
  tally: Tally;
};

/** The text of each event as it came; `answer`: there are none. */
export type Split = { payloads: Uint8Array[]; answer: PostAnswer | undefined };

/** One event that its host has kept. */
export type Kept = { content: Uint8Array; id: string };

export type KeptRun = {
  tally: Tally;
  /** undefined: every pipeline has ended well. `isFinal`: it will fail every time. */
  failure: { reason: string; isFinal: boolean } | undefined;
};

type Kinds = {
  post: { work: Post; result: Posted };
  split: { work: Post; result: Split };
  event: { work: Kept; result: KeptRun };
};

export type PostKind = keyof Kinds;
export type PostWork<Kind extends PostKind = PostKind> = Kinds[Kind]["work"];
export type PostResult<Kind extends PostKind = PostKind> = Kinds[Kind]["result"];

/** A promise only where a step has to wait, there are many events, or a thread does it. Throws for bugs of ours alone. */
export type Posts = { [Kind in PostKind]: (work: PostWork<Kind>) => PostResult<Kind> | Promise<PostResult<Kind>> };

/** All of it on this thread. */
export function postsHere(runner: Runner): Posts {
  return { post: (work) => runPost(runner, work), split, event: (work) => runKept(runner, work) };
}

/** What is made of work that no thread has done, and why: none was free, or it has ended. */
export const UNDONE: {
  [Kind in PostKind]: (work: PostWork<Kind>, fault: FaultReason, detail: string) => PostResult<Kind>;
} = {
  // On a thread that has ended some events may have run, under their ids.
  post: (post, fault, detail) => {
    return { answer: undone(post, fault, detail), id: fault === "overload" ? "" : post.id, tally: NOTHING };
  },
  split: (post, fault, detail) => ({ payloads: [], answer: undone(post, fault, detail) }),
  event: (_event, _fault, detail) => ({ tally: NOTHING, failure: { reason: detail, isFinal: false } }),
};

const NOTHING: Tally = { succeeded: 0, refused: 0, faulted: 0 };

function undone({ accept }: Post, fault: FaultReason, detail: string): PostAnswer {
  return fault === "overload" ? overloaded(detail, accept) : refusePost(500, detail, accept);
}

function runPost(runner: Runner, post: Post): Posted | Promise<Posted> {
  const body = readPost(post);
  if ("status" in body) return { answer: body, id: "", tally: NOTHING };
  const count = body.events.length;
  const run = runEvents(runner, body.events, (index) => messageIdOf(post.id, count, index), 0);
  return run instanceof Promise ? run.then((settled) => posted(post, settled)) : posted(post, run);
}

function posted(post: Post, run: TextRun): Posted {
  return { answer: answerPost(run, post), id: post.id, tally: tallyOf(run.events, run) };
}

/** `internal:messageID` of an event: the request's own id where it is its only one, else numbered from 1. */
export function messageIdOf(id: string, count: number, index: number): string {
  return count === 1 ? id : `${id}.${index + 1}`;
}

function readPost({ content, contentType, accept }: Post): Body | PostAnswer {
  const text = decodeUtf8(content);
  if (text === undefined) return refusePost(400, `byte ${validBytes(content) + 1}: not valid UTF-8`, accept);
  const body = readEvents(text, contentType);
  if (body.fault === undefined) return body;
  return refusePost(body.fault === "tooLarge" ? 413 : 400, whyUnreadable(text, body), accept);
}

/** How many bytes at the beginning are whole characters. */
function validBytes(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const head = bytes.subarray(0, middle);
    if (isUtf8(head.subarray(0, middle - openBytes(head)))) low = middle;
    else high = middle - 1;
  }
  return low - openBytes(bytes.subarray(0, low));
}

/** An event has failed when one of its pipelines has, and faulted when one of these was not just refused. */
function tallyOf(ran: number, { failures }: EventRun): Tally {
  if (failures.length === 0) return { succeeded: ran, refused: 0, faulted: 0 };
  const failed = new Set(failures.map(({ event }) => event));
  const faulted = new Set(failures.filter(({ reason }) => reason !== "refused").map(({ event }) => event));
  return { succeeded: ran - failed.size, refused: failed.size - faulted.size, faulted: faulted.size };
}

function split(post: Post): Split {
  const body = readPost(post);
  if ("status" in body) return { payloads: [], answer: body };
  return { payloads: body.events.map(payloadOf), answer: undefined };
}

function payloadOf({ text, start, end }: Event): Uint8Array {
  return encodeUtf8(text.slice(start, end));
}

function runKept(runner: Runner, { content, id }: Kept): KeptRun | Promise<KeptRun> {
  const event = readEvent(decodeUtf8(content) ?? "");
  if ("unreadable" in event) return { tally: NOTHING, failure: { reason: event.unreadable, isFinal: true } };
  const run = runEvent(runner, event, id, 0);
  return run instanceof Promise ? run.then(keptRun) : keptRun(run);
}

// What a filter refuses it refuses every time.
function keptRun(run: EventRun): KeptRun {
  const tally = tallyOf(1, run);
  if (run.failures.length === 0) return { tally, failure: undefined };
  const isFinal = run.failures.every(({ reason }) => reason === "refused");
  return { tally, failure: { reason: run.failures.map(failureText).join("; "), isFinal } };
}
