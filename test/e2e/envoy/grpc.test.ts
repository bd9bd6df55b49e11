/** gRPC calls over a route with a JSON rule: recognised, and passed unread, in both directions. */
import {
  type ClientDuplexStream,
  credentials,
  type Metadata as GrpcMetadata,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HandWritten, startHandWritten } from "./hand-written.ts";
import { openHttp2 } from "./http2.ts";
import { startTestServer, type TestServer } from "./server.ts";

const section = { pipelines: ["refuse"] };
const config = {
  pipelines: [{ name: "refuse", processes: [{ name: "no-secrets" }] }],
  processDefinitions: [{ filter: { name: "no-secrets", condition: { exists: { ops: [{ key: "secret" }] } } } }],
  http: { version: 1, routes: [{ name: "all", request: section, response: section }] },
};

const buffer = { serialize: (bytes: Buffer) => bytes, deserialize: (bytes: Buffer) => bytes };
const codec = {
  requestSerialize: buffer.serialize,
  requestDeserialize: buffer.deserialize,
  responseSerialize: buffer.serialize,
  responseDeserialize: buffer.deserialize,
};
const SERVICE = {
  unary: { path: "/test.Echo/Unary", requestStream: false, responseStream: false, ...codec },
  stream: { path: "/test.Echo/Stream", requestStream: true, responseStream: true, ...codec },
};
type Callback = (error: ServiceError | null, reply?: Buffer) => void;
type Client = {
  unary(message: Buffer, metadata: GrpcMetadata, done: Callback): void;
  stream(metadata: GrpcMetadata): ClientDuplexStream<Buffer, Buffer>;
  close(): void;
};

/** Echoes; "fail" fails, with trailers alone. */
async function startEcho(): Promise<{ address: string; server: Server }> {
  const server = new Server();
  server.addService(SERVICE, {
    unary(call: { request: Buffer }, done: (error: object | null, reply?: Buffer) => void) {
      if (call.request.toString() === "fail") done({ code: status.NOT_FOUND, details: "none" });
      else done(null, call.request);
    },
    stream(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    const bound = (error: Error | null, found: number) => (error === null ? resolve(found) : reject(error));
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), bound);
  });
  return { address: `127.0.0.1:${port}`, server };
}

const MODES = ["BUFFERED", "FULL_DUPLEX_STREAMED"] as const;
let server: TestServer;
let echo: Awaited<ReturnType<typeof startEcho>>;
let envoy: HandWritten;
const clients = new Map<string, Client>();
const metadata = new Metadata();
metadata.set("x-upstream", "h2");

beforeAll(async () => {
  server = await startTestServer(config);
  echo = await startEcho();
  const filter = (body: string) => ({
    processing_mode: {
      request_header_mode: "SEND",
      response_header_mode: "SEND",
      request_body_mode: body,
      response_body_mode: body,
      request_trailer_mode: "SEND",
      response_trailer_mode: "SEND",
    },
  });
  envoy = await startHandWritten(Object.fromEntries(MODES.map((mode) => [mode, filter(mode)])), {
    extProc: server.address,
    upstream: echo.address,
    upstream2: echo.address,
  });
  const Echo = makeGenericClientConstructor(SERVICE, "test.Echo");
  for (const mode of MODES) {
    const client = new Echo(`127.0.0.1:${envoy.ports[mode]}`, credentials.createInsecure());
    clients.set(mode, client as unknown as Client);
  }
});
afterAll(async () => {
  for (const client of clients.values()) client.close();
  await envoy.stop();
  await server.stop();
  echo.server.forceShutdown();
});

describe.each(MODES)("%s", (mode) => {
  const call = (message: Buffer) =>
    new Promise<Buffer>((resolve, reject) => {
      const client = clients.get(mode) as Client;
      client.unary(message, metadata, (error, reply) => (error === null ? resolve(reply as Buffer) : reject(error)));
    });

  test.each([0, 5, 100_000])("a call with a message of %i bytes", async (size) => {
    const message = Buffer.alloc(size, '{"secret":1}');
    expect((await call(message)).equals(message)).toBe(true);
  });

  test("a status in trailers alone", async () => {
    await expect(call(Buffer.from("fail"))).rejects.toMatchObject({ code: status.NOT_FOUND, details: "none" });
  });

  test("what only calls itself gRPC is refused", async () => {
    const client = openHttp2(envoy.ports[mode] as number);
    const headers = { "content-type": "application/grpc", ":path": "/test.Echo/Unary", "x-upstream": "h2" };
    const answer = await client.ask({ headers, pieces: ['{"secret":1}'] });
    client.close();
    // Envoy makes a gRPC error of it: trailers alone, with the HTTP status in the message's place.
    expect(answer.headers["grpc-status"]).not.toBe("0");
    expect(String(answer.headers["grpc-message"])).toContain("contentType");
  });
});

test("a call that streams both ways gets each answer before it goes on, where the mode holds nothing", async () => {
  const stream = (clients.get("FULL_DUPLEX_STREAMED") as Client).stream(metadata);
  const ended = new Promise((resolve) => stream.on("status", resolve));
  for (let i = 0; i < 3; i++) {
    const reply = new Promise<Buffer>((resolve, reject) => {
      stream.once("data", resolve);
      stream.once("error", reject);
    });
    stream.write(Buffer.from(`message ${i}`));
    expect((await reply).toString()).toBe(`message ${i}`);
    stream.removeAllListeners("error");
    stream.on("error", () => {});
  }
  stream.end();
  expect(await ended).toMatchObject({ code: status.OK });
});
