/** What a daemon counts of its requests and events. */
import type { Family } from "../engine/runtime/exposition.ts";
import { family } from "../engine/runtime/metrics.ts";
import type { EventRun } from "../engine/runtime/run-text.ts";

export type Counts = {
  /** by status; 499: the client went away before its request had come */
  requests: Map<number, number>;
  inProgress: number;
  bytes: number;
  events: { succeeded: number; refused: number; faulted: number };
};

/** As nginx writes it down. */
export const CLIENT_GONE = 499;

export function newCounts(): Counts {
  return { requests: new Map(), inProgress: 0, bytes: 0, events: { succeeded: 0, refused: 0, faulted: 0 } };
}

export function countRequest({ requests }: Counts, status: number): void {
  requests.set(status, (requests.get(status) ?? 0) + 1);
}

/** An event has failed when one of its pipelines has, and faulted when one of these was not just refused. */
export function countEvents({ events }: Counts, ran: number, { failures }: EventRun): void {
  if (failures.length === 0) {
    events.succeeded += ran;
    return;
  }
  const failed = new Set(failures.map(({ event }) => event));
  const faulted = new Set(failures.filter(({ reason }) => reason !== "refused").map(({ event }) => event));
  events.faulted += faulted.size;
  events.refused += failed.size - faulted.size;
  events.succeeded += ran - failed.size;
}

export function countsFamilies({ requests, inProgress, bytes, events }: Counts): Family[] {
  const byStatus = [...requests].map(([status, count]) => [[["status", String(status)]], count] as const);
  const byOutcome = Object.entries(events).map(([outcome, count]) => [[["outcome", outcome]], count] as const);
  return [
    family("counter", "agglo_daemon_requests_total", "Requests by the status of their answer.", byStatus),
    family("gauge", "agglo_daemon_requests_in_progress", "Requests that are not answered yet.", inProgress),
    family("counter", "agglo_daemon_body_bytes_total", "Bytes of bodies that came whole, as they came.", bytes),
    family("counter", "agglo_daemon_events_total", "Events that all pipelines ran on, by what came of it.", byOutcome),
  ];
}
