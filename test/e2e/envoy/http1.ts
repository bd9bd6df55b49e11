/**
 * HTTP/1.1 as bytes: what a message says it is, read as RFC 9112 section 6 has it and no more kindly, so that a test sees
 * what a strict peer would. Of both sides: requests at an upstream, responses at a client.
 */

export type Http1Message = {
  /** request or status line */
  line: string;
  /** lower-case names and latin1 values, in the order of the wire */
  headers: [string, string][];
  /** the body without its framing, as far as it has come */
  chunks: Buffer[];
  trailers: [string, string][];
  complete: boolean;
};

export function bodyOf(message: Http1Message): Buffer {
  return Buffer.concat(message.chunks);
}

/** All values of a header. */
export function headerOf(message: Http1Message, name: string): string[] {
  return message.headers.filter(([found]) => found === name).map(([, value]) => value);
}

export function statusOf(message: Http1Message): number {
  return Number(message.line.split(" ")[1]);
}

export type Http1Reader = {
  /** every message that has begun, in order */
  messages: Http1Message[];
  /** bytes that are no HTTP/1.1, or "" */
  garbage: string;
  push(bytes: Buffer): void;
  /** The connection has ended: what reaches to its end is complete. */
  end(): void;
};

type Part = "head" | "length" | "size" | "chunk" | "trailers" | "close";

/** `methodOf(n)`: the method that response n answers; absent for a reader of requests. `recv`: told of all progress. */
export function newHttp1Reader(
  recv: (message: Http1Message) => void,
  methodOf?: (index: number) => string,
): Http1Reader {
  let rest: Buffer = Buffer.alloc(0);
  let part: Part = "head";
  let left = 0;
  const reader: Http1Reader = {
    messages: [],
    garbage: "",
    push(bytes) {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      while (reader.garbage === "" && step());
    },
    end() {
      const message = reader.messages.at(-1);
      if (message !== undefined && part === "close") finish(message);
    },
  };
  return reader;

  function step(): boolean {
    const message = reader.messages.at(-1) as Http1Message; // only the head comes without one
    switch (part) {
      case "head":
        return readHead();
      case "length":
        if (left > 0) return readBody(message, "length");
        finish(message);
        return true;
      case "size":
        return readSize();
      case "chunk":
        if (left > 2) return readBody(message, "chunk");
        return readChunkEnd();
      case "trailers":
        return readTrailers(message);
      case "close":
        left = Number.POSITIVE_INFINITY;
        return readBody(message, "close");
    }
  }

  function readHead(): boolean {
    const end = rest.indexOf("\r\n\r\n");
    if (end === -1) return rest.length > 0 && refuse(/^[!-~]*(?: |$)/.test(rest.toString("latin1")));
    const [line = "", ...fields] = take(end + 4)
      .toString("latin1")
      .slice(0, -4)
      .split("\r\n");
    if (!(methodOf === undefined ? /^[A-Z-]+ \S+ HTTP\/1\.1$/ : /^HTTP\/1\.1 \d{3} /).test(line)) {
      reader.garbage = line;
      return false;
    }
    const message: Http1Message = { line, headers: fields.map(field), chunks: [], trailers: [], complete: false };
    reader.messages.push(message);
    frame(message);
    recv(message);
    return true;
  }

  // While no whole line is there: whether it may become one.
  function refuse(mayBecomeOne: boolean): boolean {
    if (!mayBecomeOne) reader.garbage = rest.toString("latin1");
    return false;
  }

  function frame(message: Http1Message): void {
    const length = headerOf(message, "content-length");
    const coding = headerOf(message, "transfer-encoding");
    const status = methodOf === undefined ? 0 : statusOf(message);
    const method = methodOf?.(reader.messages.filter((each) => statusOf(each) >= 200).length - 1);
    if (method === "HEAD" || (status >= 100 && status < 200) || status === 204 || status === 304) {
      part = "length";
      left = 0;
    } else if (coding.length > 0) {
      if (length.length > 0 || coding.join() !== "chunked") reader.garbage = "content-length beside transfer-encoding";
      part = "size";
    } else if (length.length > 0) {
      part = "length";
      left = Number(length[0]);
      if (length.length > 1 || !/^\d+$/.test(length[0] as string)) reader.garbage = `content-length ${length}`;
    } else if (methodOf !== undefined) {
      part = "close";
    } else {
      part = "length";
      left = 0;
    }
  }

  function readBody(message: Http1Message, of: "length" | "chunk" | "close"): boolean {
    const bytes = take(Math.min(of === "chunk" ? left - 2 : left, rest.length));
    if (bytes.length === 0) return false;
    left -= bytes.length;
    message.chunks.push(bytes);
    recv(message);
    return true;
  }

  function readSize(): boolean {
    const end = rest.indexOf("\r\n");
    if (end === -1) return false;
    const text = take(end + 2)
      .toString("latin1")
      .slice(0, -2);
    if (!/^[0-9a-f]+$/i.test(text)) reader.garbage = `chunk size ${JSON.stringify(text)}`;
    left = Number.parseInt(text, 16) + 2;
    part = left === 2 ? "trailers" : "chunk";
    return true;
  }

  function readChunkEnd(): boolean {
    if (rest.length < 2) return false;
    if (take(2).toString("latin1") !== "\r\n") reader.garbage = "a chunk that is longer than its size";
    part = "size";
    return true;
  }

  function readTrailers(message: Http1Message): boolean {
    const end = rest.indexOf("\r\n");
    if (end === -1) return false;
    const line = take(end + 2)
      .toString("latin1")
      .slice(0, -2);
    if (line === "") finish(message);
    else message.trailers.push(field(line));
    return true;
  }

  function finish(message: Http1Message): void {
    message.complete = true;
    part = "head";
    recv(message);
  }

  function take(bytes: number): Buffer {
    const taken = rest.subarray(0, bytes);
    rest = rest.subarray(bytes);
    return taken;
  }
}

function field(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
