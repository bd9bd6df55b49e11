/** What njs gives a handler, as far as it is used here (nginx.org/en/docs/njs/reference.html). Types only. */

/** A header's value, or a variable's; undefined where there is none. */
export type Texts = { [name: string]: string | undefined };

export interface NginxRequest {
  readonly method: string;
  readonly uri: string;
  readonly headersIn: { readonly [name: string]: string | undefined };
  /** as they came, one pair per line */
  readonly rawHeadersIn: readonly (readonly [string, string])[];
  readonly rawHeadersOut: readonly (readonly [string, string])[];
  headersOut: { [name: string]: string | string[] | undefined };
  status: number;
  readonly variables: Texts;
  /** undefined without a body, and where nginx wrote it to a file */
  readonly requestBuffer?: Buffer;
  /** the same as text; what is no UTF-8 is U+FFFD in it; in njs 0.7.9 a character is a byte */
  readonly requestText?: string;
  /** of a subrequest that has ended */
  readonly responseBuffer?: Buffer;
  return(status: number, body: string | Buffer): void;
  internalRedirect(location: string): void;
  /** a promise unless it is detached */
  subrequest(uri: string, options: SubrequestOptions): Promise<NginxRequest>;
  sendBuffer(data: Buffer | string, flags: { last?: boolean; flush?: boolean }): void;
  /** no more calls of the body filter: what comes passes */
  done(): void;
  sendHeader(): void;
  send(data: string): void;
  finish(): void;
  error(message: string): void;
  /** ours: what the header filter hands to the body filter. Isolated on every engine, unlike a module's variables. */
  agglo?: unknown;
}

export type SubrequestOptions = { method: string; body?: string | Buffer; args?: string; detached?: boolean };

/** ngx.shared.NAME; one that has a size throws when it is full. */
export interface SharedDict<V> {
  add(key: string, value: V): boolean;
  get(key: string): V | undefined;
  set(key: string, value: V): unknown;
  incr(key: string, delta: number, init: number): number;
  delete(key: string): boolean;
  items(max: number): [string, V][];
}

export interface FetchOptions {
  method: string;
  headers: { [name: string]: string };
  body: string;
}

export interface Nginx {
  shared: { [zone: string]: unknown };
  fetch(url: string, options: FetchOptions): Promise<{ status: number }>;
}
