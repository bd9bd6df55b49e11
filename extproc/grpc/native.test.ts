import { once } from "node:events";
import { readFileSync } from "node:fs";
import http2, { type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TlsOptions } from "../../engine/runtime/listen.ts";
import { bodyMessage, Caller } from "../../test/e2e/transport/callers.ts";
import { EXTERNAL_PROCESSOR, type Listening } from "../transport.ts";
import { describeTransport, echo, echoBodies, recorder, starter } from "../transport-contract.ts";
import { PROCESSOR_CODEC } from "../transports.ts";
import { type NativeOptions, nativeTransport } from "./native.ts";

import { Status } from "./status.ts";

const make = (options: Omit<NativeOptions, "codec"> = {}) => nativeTransport({ codec: PROCESSOR_CODEC, ...options });

describe("the native transport", () => {
  describeTransport(make);
});

const PROCESS = `/${EXTERNAL_PROCESSOR}/Process`;
const GRPC = { ":method": "POST", te: "trailers", "content-type": "application/grpc" };
const sessions: ClientHttp2Session[] = [];

afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

type Answered = { headers: IncomingHttpHeaders; trailers: IncomingHttpHeaders; body: Buffer; rstCode: number };

/** One request by node:http2, and all that comes back. */
async function ask(address: string, headers: OutgoingHttpHeaders, body: Buffer | undefined): Promise<Answered> {
  const session = http2.connect(`http://${address}`);
  session.on("error", () => {});
  sessions.push(session);
  const stream = session.request(headers, { endStream: body === undefined });
  const answered: Answered = { headers: {}, trailers: {}, body: Buffer.alloc(0), rstCode: 0 };
  stream.on("error", () => {});
  stream.on("response", (heard) => {
    answered.headers = heard;
  });
  stream.on("trailers", (heard) => {
    answered.trailers = heard;
  });
  stream.on("data", (bytes: Buffer) => {
    answered.body = Buffer.concat([answered.body, bytes]);
  });
  if (body !== undefined) stream.end(body);
  await once(stream, "close");
  answered.rstCode = stream.rstCode;
  return answered;
}

const status = ({ headers, trailers }: Answered) => Number(trailers["grpc-status"] ?? headers["grpc-status"]);

describe("a request", () => {
  const up = starter(make);
  const empty = Buffer.alloc(5);

  const refused: [string, OutgoingHttpHeaders, number][] = [
    ["of an unknown method", { ...GRPC, ":path": `/${EXTERNAL_PROCESSOR}/Nothing` }, Status.UNIMPLEMENTED],
    ["of an unknown service", { ...GRPC, ":path": "/other.Service/Process" }, Status.UNIMPLEMENTED],
    ["in gzip", { ...GRPC, ":path": PROCESS, "grpc-encoding": "gzip" }, Status.UNIMPLEMENTED],
    ["with a timeout that is none", { ...GRPC, ":path": PROCESS, "grpc-timeout": "soon" }, Status.INTERNAL],
  ];
  it.each(refused)("%s is refused with a status and no body", async (_, headers, code) => {
    const { listening, log } = await up();
    const answered = await ask(listening.address, headers, empty);
    expect([answered.headers[":status"], status(answered), answered.body.length]).toEqual([200, code, 0]);
    if (code === Status.UNIMPLEMENTED && "grpc-encoding" in headers) {
      expect(answered.headers["grpc-accept-encoding"]).toBe("identity");
    }
    expect(log.events).toEqual([]);
  });

  it.each([
    ["another content type", { ":method": "POST", "content-type": "application/json" }, 415],
    ["grpc-web", { ":method": "POST", "content-type": "application/grpc-web+proto" }, 415],
    ["no content type", { ":method": "POST" }, 415],
    ["another method", { ":method": "PUT", "content-type": "application/grpc" }, 405],
  ])("with %s is refused by HTTP", async (_, headers, code) => {
    const { listening } = await up();
    expect((await ask(listening.address, { ...headers, ":path": PROCESS }, empty)).headers[":status"]).toBe(code);
  });

  it("may name its codec, or parameters", async () => {
    const { listening } = await up(echo);
    for (const type of ["application/grpc+proto", "application/grpc;charset=utf-8"]) {
      const answered = await ask(listening.address, { ...GRPC, ":path": PROCESS, "content-type": type }, empty);
      expect(status(answered)).toBe(Status.OK);
    }
  });

  it("GET / says what this is", async () => {
    const { listening } = await up();
    const answered = await ask(listening.address, { ":method": "GET", ":path": "/" }, undefined);
    expect([answered.headers[":status"], answered.body.toString()]).toEqual([
      200,
      "agglo: this is an Envoy ext_proc server, it speaks gRPC\n",
    ]);
  });

  it("with a compressed message and no grpc-encoding ends with INTERNAL", async () => {
    const { listening, log } = await up();
    const answered = await ask(listening.address, { ...GRPC, ":path": PROCESS }, Buffer.of(1, 0, 0, 0, 0));
    expect(status(answered)).toBe(Status.INTERNAL);
    expect(log.events).toEqual(["open", "closed"]);
  });

  it("that ends in the middle of a message ends with INTERNAL", async () => {
    const { listening } = await up();
    const answered = await ask(listening.address, { ...GRPC, ":path": PROCESS }, Buffer.of(0, 0, 0, 0, 9, 1));
    expect(status(answered)).toBe(Status.INTERNAL);
  });

  it("with a deadline ends with DEADLINE_EXCEEDED when nobody answers", async () => {
    const { listening, log } = await up();
    const session = http2.connect(`http://${listening.address}`);
    sessions.push(session);
    const stream = session.request({ ...GRPC, ":path": PROCESS, "grpc-timeout": "20m" });
    const [headers] = await once(stream, "response");
    expect(headers["grpc-status"]).toBe("4");
    await vi.waitFor(() => expect(log.events).toEqual(["open", "closed"]));
  });

  it("answered before its end is told to stop, with NO_ERROR", async () => {
    const { listening } = await up((log) => (call, metadata) => {
      const handler = recorder(log)(call, metadata);
      call.end();
      return handler;
    });
    const session = http2.connect(`http://${listening.address}`);
    sessions.push(session);
    const stream = session.request({ ...GRPC, ":path": PROCESS });
    stream.resume();
    await once(stream, "close");
    expect([stream.rstCode, stream.destroyed]).toEqual([0, true]);
  });

  it("for health with no message, two or nonsense is refused", async () => {
    const { listening } = await up();
    const path = "/grpc.health.v1.Health/Check";
    for (const body of [Buffer.alloc(0), Buffer.alloc(10), Buffer.of(0, 0, 0, 0, 2, 0x12, 0x00)]) {
      expect(status(await ask(listening.address, { ...GRPC, ":path": path }, body))).toBe(Status.INVALID_ARGUMENT);
    }
  });
});

describe("over TLS", () => {
  let listening: Listening | undefined;
  // Certificates for localhost and for "other", good for a hundred years and for nothing but these tests.
  const pem = (name: string) => readFileSync(new URL(`../../test/e2e/transport/fixtures/${name}`, import.meta.url));

  afterEach(async () => {
    await listening?.close();
    listening = undefined;
  });

  async function start(tls: Partial<TlsOptions> = {}): Promise<string> {
    const transport = make({ tls: () => ({ cert: pem("cert.pem"), key: pem("key.pem"), ...tls }) });
    listening = await transport.listen("127.0.0.1:0", echo({ calls: [], events: [], bugs: [] }));
    return listening.address.replace("127.0.0.1", "localhost");
  }

  async function askTls(address: string, options: object): Promise<string> {
    const session = http2.connect(`https://${address}`, { ca: pem("cert.pem"), ...options });
    sessions.push(session);
    return await new Promise((resolve) => {
      session.on("error", (error) => resolve(`no: ${error.message}`));
      const stream = session.request({ ...GRPC, ":path": PROCESS });
      stream.on("error", () => {});
      stream.on("close", () => resolve("no"));
      stream.on("trailers", (trailers) => resolve(`status ${trailers["grpc-status"]}`));
      stream.on("response", (headers) => headers["grpc-status"] && resolve(`status ${headers["grpc-status"]}`));
      stream.resume();
      stream.end(Buffer.alloc(5));
    });
  }

  it("serves HTTP/2 by ALPN, and drains", async () => {
    expect(await askTls(await start(), {})).toBe("status 0");
    await listening?.drain(5000);
  });

  it("carries large messages both ways, unharmed", async () => {
    const transport = make({ tls: () => ({ cert: pem("cert.pem"), key: pem("key.pem") }) });
    listening = await transport.listen("127.0.0.1:0", echoBodies);
    const credentials = grpc.credentials.createSsl(pem("cert.pem"));
    const client = new grpc.Client(listening.address.replace("127.0.0.1", "localhost"), credentials, {
      "grpc.max_receive_message_length": -1,
    });
    const bodies = [1, 100_000, 3_000_000].map((size, i) => Buffer.alloc(size, `body ${i} of ${size} `));
    const callers = bodies.map((body) => {
      const caller = new Caller(client);
      for (let i = 0; i < 3; i++) caller.stream.write(bodyMessage(body));
      caller.stream.end();
      return caller;
    });
    for (const [i, caller] of callers.entries()) {
      expect((await caller.status).code).toBe(Status.OK);
      const answers = caller.answers.map((answer) => "body" in answer && bodies[i]?.equals(answer.body ?? Buffer.of()));
      expect(answers).toEqual([true, true, true]);
    }
    client.close();
  });

  it("turns away who does not offer h2", async () => {
    const address = await start();
    const [host, port] = address.split(":") as [string, string];
    for (const options of [{ ALPNProtocols: ["http/1.1"] }, {}]) {
      const socket = connectTls({ host, port: Number(port), ca: pem("cert.pem"), servername: host, ...options });
      socket.on("error", () => {});
      await new Promise((resolve) => socket.once("close", resolve)); // after an alert, or without a word
    }
  });

  it("asks for a client certificate that it knows, when told to", async () => {
    const address = await start({ ca: pem("cert.pem"), requestClientCert: true });
    expect(await askTls(address, { cert: pem("cert.pem"), key: pem("key.pem") })).toBe("status 0");
    expect(await askTls(address, {})).toMatch(/^no/);
    expect(await askTls(address, { cert: pem("other.pem"), key: pem("other-key.pem") })).toMatch(/^no/);
  });

  it("takes another certificate for new connections, and keeps the open ones", async () => {
    let current: TlsOptions = { cert: pem("cert.pem"), key: pem("key.pem") };
    listening = await make({ tls: () => current }).listen("127.0.0.1:0", echo({ calls: [], events: [], bugs: [] }));
    const address = listening.address.replace("127.0.0.1", "localhost");
    expect(await askTls(address, {})).toBe("status 0");
    current = { cert: pem("other.pem"), key: pem("other-key.pem") };
    expect(await askTls(address, {})).toMatch(/^no/);
    expect(await askTls(address, { ca: pem("other.pem"), servername: "other" })).toBe("status 0");
    expect(sessions.at(-3)?.destroyed).toBe(false);
  });

  it("closes without waiting for a handshake that does not come", async () => {
    const address = await start();
    const socket = connectTcp(Number(address.split(":")[1]), "127.0.0.1");
    await once(socket, "connect");
    const closed = once(socket, "close");
    await listening?.close();
    await closed;
  });
});
