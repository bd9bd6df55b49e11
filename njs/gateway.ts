/**
 * A route with `"gateway": true`: the response is held whole, so that its content can decide its status. Fetched by a
 * subrequest into memory, which the location limits (subrequest_output_buffer_size); no streaming.
 */
import type { HeaderValue } from "../engine/core/routes/header-writes.ts";
import { faulted, type LinkedRoute, type LinkedSection, passed, type Verdict } from "../engine/core/routes/section.ts";
import { matchesStatus } from "../engine/core/routes/status.ts";
import type { NginxRequest } from "./nginx.ts";
import { answer, beforeBody, observe, type Run, treatBytes, withoutBody } from "./run.ts";

/** Replaces the bytes' own descriptions; those of the connection are nginx's business. */
const VALIDATORS = ["etag", "last-modified", "accept-ranges", "content-md5", "digest"];
const OWNED = ["content-length", "connection", "transfer-encoding", "keep-alive", "server", "date"];

export type Gateway = (run: Run, route: LinkedRoute, text: string | undefined) => Promise<void>;

export function gateway(run: Run, route: LinkedRoute, text: string | undefined): Promise<void> {
  const r = run.r;
  const uri = `/agglo_gateway/${route.plan.name}${text === undefined ? "" : "/body"}`;
  if (text !== undefined) r.variables.agglo_body = text;
  return r.subrequest(uri, { method: r.method }).then((response) => finish(run, route, response));
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
  const headers = response.rawHeadersOut;
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as readonly [string, string];
    const name = header[0].toLowerCase();
    if (OWNED.indexOf(name) !== -1 || removed.indexOf(name) !== -1) continue;
    if (changed && VALIDATORS.indexOf(name) !== -1) continue;
    addHeader(r, header[0], header[1]);
  }
  const writes = verdict?.setHeaders ?? [];
  for (let i = 0; i < writes.length; i++)
    r.headersOut[(writes[i] as HeaderValue).name] = (writes[i] as HeaderValue).value;
  r.status = response.status;
  if (response.status !== 204 && response.status !== 304) r.headersOut["Content-Length"] = String(body.length);
  r.sendHeader();
  if (body.length > 0) r.send(body);
  r.finish();
}

function addHeader(r: NginxRequest, name: string, value: string): void {
  const before = r.headersOut[name];
  if (name.toLowerCase() !== "set-cookie" || before === undefined) r.headersOut[name] = value;
  else r.headersOut[name] = ([] as string[]).concat(before, value);
}
