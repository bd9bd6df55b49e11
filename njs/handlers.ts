/** What the bundle offers to nginx: one function per directive of the generated configuration. */
import type { NjsFile } from "./file.ts";
import type { NginxRequest } from "./nginx.ts";
import { flush } from "./queue.ts";
import { large, request } from "./request.ts";
import { body, head } from "./response.ts";
import { status } from "./status.ts";

type BodyFilter = (r: NginxRequest, data: Buffer, flags: { last?: boolean }) => void;

export type Handlers = {
  /** js_content in front of every route */
  request: (r: NginxRequest) => Promise<void> | undefined;
  /** js_content of the answer to a body that nginx refused to read */
  large: (r: NginxRequest) => void;
  status: (r: NginxRequest) => void;
  /** js_header_filter, js_body_filter of routes with a response section */
  head?: (r: NginxRequest) => void;
  body?: BodyFilter;
  /** js_periodic where copies are queued */
  flush?: () => Promise<void>;
};

export function newHandlers(file: NjsFile): Handlers {
  return { request: (r) => request(file, r), large: (r) => large(file, r), status: (r) => status(file, r) };
}

export function addResponse(handlers: Handlers, file: NjsFile): void {
  handlers.head = (r) => head(file, r);
  handlers.body = body;
}

export function addQueue(handlers: Handlers, file: NjsFile): void {
  handlers.flush = () => flush(file);
}
