/** What `binge explain` prints: an exchange as text for people. Bodies are shown, for whoever asks has sent them. */
import { stringify } from "../engine/core/event/write.ts";
import { Outcome } from "../engine/core/outcome.ts";
import { normalizeHost } from "../engine/core/routes/host.ts";
import { mismatchOf, type RequestLine } from "../engine/core/routes/match.ts";
import { type BodyNeed, bufferBytes, needs } from "../engine/core/routes/needs.ts";
import type { MatchPlan } from "../engine/core/routes/route.ts";
import type { LinkedRoute, Verdict } from "../engine/core/routes/section.ts";
import type { StepRun } from "../engine/runtime/trace.ts";
import { headerValue } from "../extproc/exchange/headers.ts";
import { type Answer, IMMEDIATE_RESPONSE, Kind, type PhaseKind } from "../extproc/messages/messages.ts";
import { bodyText, type HttpMessage } from "./http-message.ts";
import { type Rehearsal, requestLine } from "./rehearse.ts";

export type Copy = { system: string; payload: string };
export type ExplainedStep = StepRun & { copies: Copy[] };
type Part = { verdict: Verdict; steps: ExplainedStep[] };

export type Explained = {
  routes: readonly LinkedRoute[];
  request: HttpMessage;
  rehearsal: Rehearsal;
  parts: { [direction in "request" | "response"]?: Part };
};

export function explanation({ routes, request, rehearsal, parts }: Explained): string {
  const { route, upstream, reply, isCut, answers } = rehearsal;
  const line = requestLine(request);
  const routing =
    route === undefined && upstream === undefined
      ? [BAD_PATH]
      : routeLines(routes, route, requestLine(upstream ?? request));
  const blocks = [[`${line.method} ${line.path} on ${line.host}${bodySize(request)}`], ["route", ...indented(routing)]];
  if (route !== undefined) blocks.push([`the proxy, for route ${route.plan.name}`, ...indented(needLines(route))]);
  if (route?.request !== undefined) blocks.push(["request", ...indented(partLines(parts.request, answers.request))]);
  blocks.push(
    upstream === undefined ? ["the upstream gets nothing"] : ["the upstream gets", ...indented(messageLines(upstream))],
  );
  if (route?.response !== undefined && upstream !== undefined) {
    blocks.push(["response", ...indented(partLines(parts.response, answers.response))]);
  }
  const end = isCut ? ["cut off here: it was refused when its headers had gone"] : [];
  blocks.push([
    `the client gets ${headerValue(reply.headers, ":status")}`,
    ...indented([...messageLines(reply), ...end]),
  ]);
  return `${blocks.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

const BAD_PATH = "not asked: the proxy refuses a path with an escaped slash, or with dots before a semicolon";

function routeLines(routes: readonly LinkedRoute[], taken: LinkedRoute | undefined, line: RequestLine): string[] {
  const lines: string[] = [];
  for (const route of routes) {
    if (lines.length > 0 && taken !== undefined && routes.indexOf(route) > routes.indexOf(taken)) {
      lines.push(`${route.plan.name}: not asked, ${taken.plan.name} stands before it`);
    } else lines.push(`${route.plan.name}: ${whyNot(route.plan.match, line) || "matches"}`);
  }
  if (taken === undefined) lines.push("none: nothing of this exchange reaches agglo");
  return lines;
}

/** Why a route does not match; "" when it does. */
function whyNot(match: MatchPlan, line: RequestLine): string {
  switch (mismatchOf(match, line)) {
    case "methods":
      return `no, the method ${line.method} is none of ${match.methods.join(", ")}`;
    case "hosts":
      return `no, the host ${normalizeHost(line.host)} is none of ${match.hosts.join(", ")}`;
    case "paths":
      return `no, the path ${line.path} is none of ${match.paths.map((path) => path.text).join(", ")}`;
    case "headers":
      return `no, ${headersWhyNot(match, line)}`;
    default:
      return "";
  }
}

function headersWhyNot(match: MatchPlan, line: RequestLine): string {
  const others = match.headers.filter((header) => line.header(header.name) !== header.value);
  return others
    .map(({ name, value }) => `the header ${name} is ${quoted(line.header(name))}, not ${quoted(value)}`)
    .join(", ");
}

function quoted(value: string | undefined): string {
  return value === undefined ? "not there" : JSON.stringify(value);
}

function needLines({ plan }: LinkedRoute): string[] {
  const need = needs(plan);
  const lines = [
    `sends of requests: ${sent(need.requestHeaders, need.requestBody)}`,
    `sends of responses: ${sent(need.responseHeaders, need.responseBody)}`,
  ];
  if (need.observes) lines.push("waits for no answer: nothing here changes or refuses");
  if (need.bodyBytesMax > 0) lines.push(`holds bodies of at most ${bufferBytes(need.bodyBytesMax)} bytes`);
  if (plan.request?.enforce === false || plan.response?.enforce === false) {
    lines.push("a dry run: what the processes decide is counted and not done");
  }
  lines.push(`without agglo: ${need.failOpen ? "lets the traffic pass" : "refuses the traffic"}`);
  return lines;
}

const BODIES: { readonly [need in BodyNeed]: string } = {
  none: "no body",
  buffered: "the whole body (BUFFERED)",
  streamed: "a copy of the body (STREAMED)",
  duplex: "the body as it comes (FULL_DUPLEX_STREAMED)",
};

function sent(headers: boolean, body: BodyNeed): string {
  if (!headers && body === "none") return "nothing";
  return headers ? `headers, ${BODIES[body]}` : BODIES[body];
}

function partLines(part: Part | undefined, answers: readonly Answer[]): string[] {
  return [
    ...stepLines(part?.steps ?? []),
    part === undefined ? "no verdict: nothing asks for this message" : verdictLine(part.verdict),
    ...(part?.verdict.metadata === undefined ? [] : [`metadata: ${shown(stringify(part.verdict.metadata))}`]),
    ...answers.map((answer) => `the proxy is told${answerText(answer)}`),
  ];
}

function stepLines(steps: readonly ExplainedStep[]): string[] {
  const lines: string[] = [];
  let last: ExplainedStep | undefined;
  const several = steps.some((step) => step.event !== steps[0]?.event);
  for (const step of steps) {
    if (step.event !== last?.event || step.pipeline !== last.pipeline) {
      lines.push(several ? `event ${step.event + 1}, pipeline ${step.pipeline}` : `pipeline ${step.pipeline}`);
    }
    lines.push(`  ${step.process} ${step.name}: ${outcomeText(step)}`);
    if (step.before !== step.after) lines.push(`    before ${shown(step.before)}`, `    after  ${shown(step.after)}`);
    for (const [key, value] of Object.entries(step.reserved)) {
      if (key !== "internal:tee:output") lines.push(`    ${key} = ${shown(stringify(value))}`); // copies stand below
    }
    for (const { system, payload } of step.copies) lines.push(`    copy to ${system}: ${shown(payload)}`);
    last = step;
  }
  return lines;
}

function outcomeText(step: ExplainedStep): string {
  switch (step.outcome) {
    case Outcome.stop:
      return "ends the pipeline";
    case Outcome.refuse:
      return "refuses";
    case Outcome.fault:
      return `fault ${step.detail}`;
    default:
      return step.before === step.after ? "goes on, the event as it was" : "changes the event";
  }
}

function verdictLine(verdict: Verdict): string {
  const { would } = verdict;
  if (would !== undefined)
    return `verdict: passed (dry run${would.kind === "passed" ? "" : `, else ${verdictText(would)}`})`;
  return `verdict: ${verdictText(verdict)}`;
}

function verdictText({ kind, reply, reason, detail, process, dropped }: Verdict): string {
  const answered = reply === undefined ? "" : `, answered ${reply.status}`;
  if (kind === "refused") return `refused by ${process}${answered}`;
  if (kind === "faulted") return `faulted, ${reason}: ${detail}${answered || ", passes as it came"}`;
  return dropped > 0 ? `${kind}, ${dropped} events left out` : kind;
}

const PHASES: { readonly [kind in PhaseKind]: string } = {
  [Kind.requestHeaders]: "request's headers",
  [Kind.requestBody]: "request's body",
  [Kind.requestTrailers]: "request's trailers",
  [Kind.responseHeaders]: "response's headers",
  [Kind.responseBody]: "response's body",
  [Kind.responseTrailers]: "response's trailers",
};

function answerText(answer: Answer): string {
  if (answer.kind === IMMEDIATE_RESPONSE) return `: reply ${answer.status} itself, details ${answer.details}`;
  const parts: string[] = [];
  if (answer.body !== undefined) parts.push(`another body, ${answer.body.length} bytes`);
  if (answer.setHeaders.length > 0) {
    parts.push(`set ${answer.setHeaders.map(({ name, value }) => `${name}: ${utf8(value)}`).join(", ")}`);
  }
  if (answer.removeHeaders.length > 0) parts.push(`remove ${answer.removeHeaders.join(", ")}`);
  if (answer.modeOverride !== undefined) parts.push("send no body");
  return `, for the ${PHASES[answer.kind]}: ${parts.join("; ") || "go on"}`;
}

/** Not ours and different every time, or said elsewhere. */
const UNSHOWN = /^(?::|x-request-id$|x-forwarded-proto$)/;

function messageLines(message: HttpMessage): string[] {
  const lines: string[] = [];
  for (let i = 0; i < message.headers.length; i += 2) {
    const name = message.headers[i] as string;
    if (!UNSHOWN.test(name)) lines.push(`${name}: ${utf8(message.headers[i + 1] as string)}`);
  }
  lines.push(message.body.length === 0 ? "no body" : shown(bodyText(message)));
  return lines;
}

function bodySize({ headers, body }: HttpMessage): string {
  return body.length === 0 ? ", no body" : `, ${body.length} bytes of ${headerValue(headers, "content-type")}`;
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}

const SHOWN_CHARS_MAX = 2000;

function shown(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}… (${text.length} characters)`;
}

function indented(lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split("\n")).map((line) => `  ${line}`);
}
