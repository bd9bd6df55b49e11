import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { expect, vi } from "vitest";
import { readProcessingResponse, writeProcessingRequest } from "../../../extproc/messages/codec.ts";
import { Kind, NO_BYTES, type ProcessingRequest, type ProcessingResponse } from "../../../extproc/messages/messages.ts";
import { EXTERNAL_PROCESSOR } from "../../../extproc/transport.ts";

// The other side of a transport, for its tests: ext_proc calls by grpc-js, and by node:http2 where grpc-js is too polite.

export const PROCESS = `/${EXTERNAL_PROCESSOR}/Process`;

const cleanups: (() => unknown)[] = [];

/** What a test started is stopped by `cleanUp`, last first. */
export function atEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

// --- their side, by grpc-js -----------------------------------------------------------------------------------------

export const message = (kind: Kind, body: Uint8Array = NO_BYTES): ProcessingRequest => ({
  kind,
  headers: [],
  body,
  endOfStream: false,
  observabilityMode: false,
  protocolConfig: undefined,
  attributes: undefined,
});

export const bodyMessage = (body: Uint8Array) => message(Kind.requestBody, body);

export const asIs = (bytes: Buffer) => bytes;

export function dial(address: string): grpc.Client {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  atEnd(() => client.close());
  return client;
}

export class Caller {
  readonly answers: ProcessingResponse[] = [];
  readonly status: Promise<grpc.StatusObject>;
  readonly stream: grpc.ClientDuplexStream<ProcessingRequest, ProcessingResponse>;

  constructor(client: grpc.Client, metadata = new grpc.Metadata()) {
    this.stream = client.makeBidiStreamRequest(PROCESS, writeProcessingRequest, readProcessingResponse, metadata);
    this.stream.on("data", (answer: ProcessingResponse) => this.answers.push(answer));
    this.stream.on("error", () => {}); // the status event says the same
    this.status = new Promise((resolve) => this.stream.once("status", resolve));
  }

  async ask(kind: Kind): Promise<ProcessingResponse | undefined> {
    const before = this.answers.length;
    this.stream.write(message(kind));
    await vi.waitFor(() => expect(this.answers.length).toBeGreaterThan(before));
    return this.answers.at(-1);
  }
}

// --- their side, by hand --------------------------------------------------------------------------------------------

export async function dialRaw(address: string): Promise<ClientHttp2Session> {
  const session = http2.connect(`http://${address}`);
  session.on("error", () => {});
  atEnd(() => session.destroy());
  await once(session, "remoteSettings");
  return session;
}

export const HEADERS = { ":method": "POST", ":path": PROCESS, te: "trailers", "content-type": "application/grpc" };

export function frame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** One call the way Envoy makes them: a message, its answer, RST_STREAM(INTERNAL_ERROR). */
export function callAndReset(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(HEADERS);
    let answered = false;
    stream.on("error", () => {});
    stream.once("data", () => {
      answered = true;
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    });
    stream.once("close", () => (answered ? resolve() : reject(new Error("closed without an answer"))));
    stream.write(frame(writeProcessingRequest(message(Kind.requestHeaders))));
  });
}
