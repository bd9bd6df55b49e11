/**
 * What whoever posts events is answered, by the daemon and the lambda alike: 200 when all pipelines did all of them, 400 for
 * what is no event, the status of a filter that refused, 500 for everything else that failed.
 */
import { type Header, PROBLEM_JSON, replyBody } from "../core/routes/reply.ts";
import { type Failure, failureText, finalText, type TextRun } from "./run-text.ts";

export type PostAnswer = { status: number; headers: readonly Header[]; contentType: string; body: string | Uint8Array };

/** As it is made; a thread gives its body as bytes. */
export type TextAnswer = PostAnswer & { body: string };

export type Wanted = {
  /** the final events instead of `Success` */
  output: boolean;
  /** the request's accept header; "" for none */
  accept: string;
  /** what was posted: NDJSON is answered in NDJSON */
  contentType?: string;
};

const NDJSON = "application/x-ndjson";

/** Of more failures than these is only said how many there are. */
const FAILURES_TOLD = 100;

export function answerPost(run: TextRun, wanted: Wanted): TextAnswer {
  if (run.unreadable !== "") return refusePost(400, run.unreadable, wanted.accept);
  if (run.failures.length > 0) return answerFailures(run.failures, wanted.accept);
  if (!wanted.output) return { status: 200, headers: [], contentType: "text/plain; charset=utf-8", body: "Success" };
  const texts = run.finals.map(finalText);
  if (accepts(wanted.accept, NDJSON) || accepts(wanted.contentType ?? "", NDJSON)) {
    // Untouched events keep their bytes, so one may have been written over several lines.
    const lines = texts.map((text) => `${text.replaceAll(/[\r\n]+/g, " ")}\n`);
    return { status: 200, headers: [], contentType: NDJSON, body: lines.join("") };
  }
  return { status: 200, headers: [], contentType: "application/json", body: `[${texts.join(",")}]` };
}

/** An answer without events: a sentence, or problem details (RFC 9457) for who asks for JSON. `detail` holds no values. */
export function refusePost(status: number, detail: string, accept: string, failures: object[] = []): TextAnswer {
  if (!accepts(accept, "application/json") && !accepts(accept, PROBLEM_JSON)) {
    return { status, headers: [], contentType: "text/plain; charset=utf-8", body: `${detail}\n` };
  }
  const problem = JSON.parse(replyBody({ ...NO_REPLY, status }, detail)) as object;
  const body = JSON.stringify(failures.length === 0 ? problem : { ...problem, failures });
  return { status, headers: [], contentType: PROBLEM_JSON, body };
}

/** No room now. Whoever hears it tries again a second later. */
export function overloaded(detail: string, accept: string): TextAnswer {
  return { ...refusePost(503, detail, accept), headers: [RETRY_AFTER] };
}

const RETRY_AFTER: Header = { name: "retry-after", value: "1" };

const NO_REPLY = { headers: [], body: "", contentType: "", grpcStatus: -1, rule: "" };

function answerFailures(failures: readonly Failure[], accept: string): TextAnswer {
  const [first] = failures as [Failure];
  // One refusal is answered as a proxy would.
  const headers = failures.length === 1 ? (first.refusal?.headers ?? []) : [];
  if (failures.length === 1 && first.refusal !== undefined && first.refusal.body !== "") {
    const { status, contentType, body } = first.refusal;
    return { status, headers, contentType, body };
  }
  const isRefused = failures.every((failure) => failure.reason === "refused");
  const status = isRefused ? (first.refusal?.status ?? 422) : 500;
  const told = failures.slice(0, FAILURES_TOLD);
  const lines = told.map((failure) => `event ${failure.event}: ${failureText(failure)}`);
  if (failures.length > told.length) lines.push(`and ${failures.length - told.length} more`);
  const members = told.map(({ event, pipeline, process, reason, detail }) => ({
    ...{ event, pipeline, process, reason },
    detail: detail === "" ? undefined : detail,
  }));
  return { ...refusePost(status, lines.join("\n"), accept, members), headers };
}

function accepts(accept: string, mediaType: string): boolean {
  return accept.split(",").some((part) => part.split(";", 1)[0]?.trim().toLowerCase() === mediaType);
}
