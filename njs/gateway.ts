/**
 * A route with `"gateway": true`: the response is held whole, so that its content can decide its status. Fetched by a
 * subrequest into memory, which the location limits (subrequest_output_buffer_size); no streaming.
 */
import type { HeaderValue } from "../engine/core/routes/header-writes.ts";
import { faulted, type LinkedRoute, type LinkedSection, passed, type Verdict } from "../engine/core/routes/section.ts";
import { matchesStatus } from "../engine/core/routes/status.ts";
import type { NginxRequest } from "./nginx.ts";
import { answer, beforeBody, broken, observe, type Run, treatBytes, withoutBody } from "./run.ts";

/** Replaces the bytes' own descriptions; those of the connection are nginx's business. */
const VALIDATORS = ["etag", "last-modified", "accept-ranges", "content-md5", "digest"];
const OWNED = ["content-length", "connection", "transfer-encoding", "keep-alive", "server", "date"];

export type Gateway = (run: Run, route: LinkedRoute, text: string | undefined) => Promise<void>;

export function gateway(run: Run, route: LinkedRoute, text: string | undefined): Promise<void> {
  const r = run.r;
  const uri = `/agglo_gateway/${route.plan.name}${text === undefined ? "" : "/body"}`;
  if (text !== undefined) r.variables.agglo_body = text;
  return r
    .subrequest(uri, { method: r.method })
    .then((response) => finish(run, route, response))
    .catch((error) => failed(run, route, error));
}

// Nothing has been sent yet, or nothing more can be.
function failed(run: Run, route: LinkedRoute, error: unknown): void {
  const section = route.response ?? route.request;
  if (section === undefined) return;
  const verdict = broken(run, section, error);
  observe(run, route.plan.name, section, verdict);
  if (verdict.reply === undefined) run.r.return(502, "");
  else answer(run.r, verdict, verdict.reply);
}

function finish(run: Run, route: LinkedRoute, response: NginxRequest): void {
  const r = run.r;
  const section = route.response;
  const body = response.responseBuffer ?? Buffer.from("");
  if (section === undefined) {
    send(r, response, body, undefined, undefined);
    return;
  }
  const verdict = verdictOf(run, section, route.plan.name, response, body);
  observe(run, route.plan.name, section, verdict);
  if (verdict.reply !== undefined) answer(r, verdict, verdict.reply);
  else send(r, response, verdict.text === undefined ? body : Buffer.from(verdict.text), section, verdict);
}

function verdictOf(run: Run, section: LinkedSection, route: string, response: NginxRequest, body: Buffer): Verdict {
  if (!matchesStatus(section.plan.statuses, response.status)) return passed(section);
  if (section.pipelines.length === 0) return passed(section);
  if (body.length === 0) return withoutBody(run, section, route);
  if (response.status === 206 && section.plan.guards) {
    return faulted(section, "unparsable", "a part of a body cannot be treated");
  }
  const contentType = response.headersOut["Content-Type"] as string | undefined;
  const coding = response.headersOut["Content-Encoding"] as string | undefined;
  const early = beforeBody(section, { contentType, coding, length: String(body.length) });
  return early ?? treatBytes(run, section, route, body, contentType ?? "");
}

function send(
  r: NginxRequest,
  response: NginxRequest,
  body: Buffer,
  section: LinkedSection | undefined,
  verdict: Verdict | undefined,
): void {
  const removed = verdict === undefined || verdict.kind === "faulted" ? [] : (section?.plan.removeHeaders ?? []);
  const changed = verdict?.text !== undefined;
  const headers = response.headersOut;
  for (const name in headers) {
    const lower = name.toLowerCase();
    if (OWNED.indexOf(lower) !== -1 || removed.indexOf(lower) !== -1) continue;
    if (!changed || VALIDATORS.indexOf(lower) === -1) r.headersOut[name] = headers[name];
  }
  const writes = verdict?.setHeaders ?? [];
  for (let i = 0; i < writes.length; i++)
    r.headersOut[(writes[i] as HeaderValue).name] = (writes[i] as HeaderValue).value;
  if (body.length > 0 && REDIRECTS.indexOf(response.status) === -1) {
    r.return(response.status, body);
    return;
  }
  // A return without a body would be nginx's own page, and with these statuses a body the location.
  r.status = response.status;
  if (r.method === "HEAD") r.headersOut["Content-Length"] = headers["Content-Length"];
  else if (body.length === 0 && BODYLESS.indexOf(response.status) === -1) r.headersOut["Content-Length"] = "0";
  r.sendHeader();
  if (body.length > 0) r.send(body.toString("utf8")); // njs 0.7.9 sends no bytes here
  r.finish();
}

const BODYLESS = [204, 304];
const REDIRECTS = [301, 302, 303, 307, 308];
