/** What `npm start` shows of the samples and of live traffic. */
import { styleText } from "node:util";
import { bodyText, type HttpMessage } from "../../cli/http-message.ts";
import type { TestCase } from "../../engine/config/test-cases.ts";
import type { Verdict } from "../../engine/core/routes/section.ts";
import { headerValue } from "../../extproc/exchange/headers.ts";
import type { Result } from "./samples.ts";
import type { Stack } from "./stack.ts";

export function printSample({ name }: TestCase, result: Result): string {
  const { request, response, reply, upstream, verdicts } = result;
  const [method, path] = [":method", ":path"].map((name) => headerValue(request.headers, name));
  const told = ["request", "response"].flatMap((direction) => {
    const verdict = verdicts[direction];
    return verdict === undefined ? [] : `${direction} ${verdict.kind}`;
  });
  const lines = [
    styleText("bold", name),
    `  sent       ${method} ${path} ${indent(bodyText(request))}`,
    `  upstream   ${upstream === undefined ? "nothing reached it" : indent(bodyText(upstream)) || "no body"}`,
    ...(upstream === undefined ? [] : [`  answers    ${answerOf(response)}`]),
    `  came back  ${answerOf(reply)}`,
    `  verdict    ${told.join(", ") || "none: no route"}`,
    `  mirrored   ${mirrored(result)}`,
  ];
  for (const difference of result.differences) lines.push(styleText("red", `  NOT AS EXPECTED: ${difference}`));
  return `${lines.join("\n")}\n\n`;
}

function answerOf(message: HttpMessage): string {
  return `${headerValue(message.headers, ":status")} ${indent(shorten(bodyText(message))) || "no body"}`;
}

function mirrored({ copies }: Result): string {
  const systems = Object.entries(copies);
  return systems.map(([system, sent]) => `${sent.length} to ${system}`).join(", ") || "nothing";
}

function indent(text: string): string {
  return text.replaceAll("\n", "\n             ");
}

const SHOWN_CHARS_MAX = 300;

function shorten(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`;
}

export function printHelp(stack: Stack, folder: string): string {
  const url = `http://127.0.0.1:${stack.envoy.port}/orders`;
  const curl = (body: string) => `  curl -s -H 'content-type: application/json' -d '${body}' ${url}\n`;
  return `
Envoy listens on port ${stack.envoy.port}, large orders are mirrored to ${folder}. Try:

${curl('{"items":[{"card":"4111111111111111"}],"total":200}')}${curl('{"items":[]}')}${curl('{"items":[')}
Ctrl-C ends it. Live events:
`;
}

/** One line per live event; names and reasons, nothing of the message. */
export function printLive(route: string, direction: string, verdict: Verdict): string {
  const why = verdict.kind === "faulted" ? ` ${verdict.reason}: ${verdict.detail}` : "";
  const reply = verdict.reply === undefined ? "" : ` -> ${verdict.reply.status} (${verdict.reply.rule})`;
  return `  ${route} ${direction} ${verdict.kind}${why}${reply}\n`;
}
