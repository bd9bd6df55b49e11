/** What a daemon counts of its requests and events. */
import type { Family } from "../engine/runtime/exposition.ts";
import { family } from "../engine/runtime/metrics.ts";
import type { Tally } from "../engine/runtime/posts.ts";

export type Counts = {
  /** by status; 499: the client went away before its request had come */
  requests: Map<number, number>;
  inProgress: number;
  bytes: number;
  events: Tally;
};

/** As nginx writes it down. */
export const CLIENT_GONE = 499;

export function newCounts(): Counts {
  return { requests: new Map(), inProgress: 0, bytes: 0, events: { succeeded: 0, refused: 0, faulted: 0 } };
}

export function countRequest({ requests }: Counts, status: number): void {
  requests.set(status, (requests.get(status) ?? 0) + 1);
}

export function countEvents({ events }: Counts, { succeeded, refused, faulted }: Tally): void {
  events.succeeded += succeeded;
  events.refused += refused;
  events.faulted += faulted;
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
