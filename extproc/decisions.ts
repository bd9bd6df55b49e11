/** Verdicts as decisions: what the exchange is to do with a message, and what Envoy's access log hears of it. */

import type { HeaderValue } from "../engine/core/routes/header-writes.ts";
import { type Reply, replyBody } from "../engine/core/routes/reply.ts";
import { type LinkedSection, toldDetail, type Verdict } from "../engine/core/routes/section.ts";
import { type Decision, newDecision } from "./exchange/treatment.ts";
import { encodeMetadata } from "./messages/codec.ts";
import { type HeaderSet, immediateAnswer, type JsonObject } from "./messages/messages.ts";

/** The route as the access log is told of it: not at all where Envoy's own configuration has named it (`named`). */
export type Told = { route: string; named: boolean };

/** `body`: new bytes of the message; undefined: those that came. */
export function decisionOf(
  section: LinkedSection,
  verdict: Verdict,
  body: Uint8Array | undefined,
  { route, named }: Told,
): Decision {
  if (verdict.reply !== undefined) {
    const decision = replyDecision(verdict, verdict.reply);
    decision.metadata = { agglo: { ...plain(verdict), route, verdict: verdict.kind, rule: verdict.reply.rule } };
    return decision;
  }
  const decision = newDecision(body === undefined ? "pass" : "replace");
  decision.body = body;
  for (const header of verdict.setHeaders) decision.setHeaders.push(headerSet(header));
  // A fault that passes leaves the message as it came, headers too.
  if (verdict.kind !== "faulted") decision.removeHeaders = section.plan.removeHeaders;
  const shown = named ? "" : route;
  decision.metadata =
    verdict.metadata === undefined
      ? metadataOf(section, shown, verdict.kind)
      : { agglo: { ...plain(verdict), ...(named ? {} : { route }), verdict: verdict.kind } };
  return decision;
}

// readMetadata leaves no number as text: it is plain JSON.
function plain(verdict: Verdict): JsonObject {
  return { ...(verdict.metadata as JsonObject | undefined) };
}

function replyDecision(verdict: Verdict, reply: Reply): Decision {
  const headers: HeaderSet[] = [{ name: "content-type", value: reply.contentType, append: false }];
  for (const header of reply.headers) headers.push(headerSet(header));
  const body = Buffer.from(replyBody(reply, toldDetail(verdict)));
  const decision = newDecision("reply");
  decision.reply = immediateAnswer(reply.status, headers, body, `agglo_${verdict.kind}{${reply.rule}}`);
  if (reply.grpcStatus !== -1) decision.reply.grpcStatus = reply.grpcStatus;
  return decision;
}

// Header values leave as UTF-8 bytes, one latin1 character per byte.
function headerSet(header: HeaderValue): HeaderSet {
  return { name: header.name, value: Buffer.from(header.value, "utf8").toString("latin1"), append: false };
}

/**
 * The metadata of messages that go on: the same every time, so encoded once. Reading it costs Envoy 4 % of its time per
 * request (npm run bench), and each field a part of that: the route is left out where Envoy knows it (`%ROUTE_NAME%`),
 * the rule where there is none.
 */
function metadataOf(section: LinkedSection, route: string, kind: Verdict["kind"]): Uint8Array {
  let encoded = encodedMetadata.get(section);
  if (encoded === undefined) {
    encoded = { named: {}, matched: {} };
    encodedMetadata.set(section, encoded);
  }
  const kinds = route === "" ? encoded.named : encoded.matched;
  kinds[kind] ??= encodeMetadata({ agglo: route === "" ? { verdict: kind } : { route, verdict: kind } });
  return kinds[kind];
}

type ByKind = { [kind in Verdict["kind"]]?: Uint8Array };
const encodedMetadata = new WeakMap<LinkedSection, { named: ByKind; matched: ByKind }>();
