/** Routes for the tests of this folder and of test/e2e/envoy. */

import { FAULT_REASONS, type FaultReason } from "../engine/core/outcome.ts";
import { compileGlob } from "../engine/core/routes/glob.ts";
import type { Reply } from "../engine/core/routes/reply.ts";
import type { MatchPlan, RoutePlan, SectionPlan } from "../engine/core/routes/route.ts";

const REFUSED: Reply = { status: 500, headers: [], body: "", contentType: "", grpcStatus: -1, rule: "error" };

export function section(change: Partial<SectionPlan> = {}): SectionPlan {
  return {
    direction: "request",
    enforce: true,
    separate: false,
    pipelines: [0],
    contentTypes: ["application/json"],
    each: undefined,
    batch: undefined,
    bodyless: false,
    statuses: [],
    setHeaders: [],
    removeHeaders: [],
    metadata: [],
    limits: { bodyBytes: 1_048_576, decodedBytes: 8_388_608, depth: 64, deadlineMs: 150 },
    onFault: onFault(REFUSED),
    guards: true,
    changesBody: true,
    readsHttp: false,
    readsRequest: false,
    ...change,
  };
}

export function onFault(reply: Reply | null): SectionPlan["onFault"] {
  return Object.fromEntries(FAULT_REASONS.map((reason) => [reason, reply])) as {
    [reason in FaultReason]: Reply | null;
  };
}

/** A route with a request section that refuses on errors, unless `change` says otherwise. */
export function route(
  name: string,
  match: Partial<Omit<MatchPlan, "paths">> & { paths?: string[] } = {},
  change: Partial<RoutePlan> = {},
): RoutePlan {
  const paths = (match.paths ?? []).map(compileGlob);
  return {
    name,
    match: { hosts: [], methods: [], headers: [], ...match, paths },
    request: section(),
    response: undefined,
    gateway: false,
    exchange: undefined,
    ...change,
  };
}
