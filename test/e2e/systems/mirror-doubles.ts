/** Mirrors over HTTP: a plain target, and a double of Elasticsearch's bulk interface, as there is none to be had. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { type Mirror, numbersIn } from "./mirror.ts";

/** Takes a request's body; what it answers. */
type Take = (request: IncomingMessage, body: Buffer) => string;
type Double = Pick<Mirror, "pause" | "resume" | "stop" | "start"> & { url: string };

async function startDouble(take: Take): Promise<Double> {
  let server: Server;
  let port = 0;
  let going: Promise<void> = Promise.resolve();
  let go = (): void => {};
  const start = async (): Promise<void> => {
    server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      await going;
      if (!request.socket.destroyed) response.end(take(request, body));
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    pause() {
      going = new Promise((resolve) => {
        go = resolve;
      });
    },
    resume: () => go(),
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
    start,
  };
}

export async function httpTarget(): Promise<Mirror> {
  const numbers: number[] = [];
  const { url, ...double } = await startDouble((request, body) => {
    const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    numbers.push(...numbersIn(text.toString()));
    return "";
  });
  return {
    ...double,
    external: { externalType: "ExternalHttp", connectionString: `${url}/in`, options: { timeoutMs: 1000 } },
    tee: { batch: { events: 20, seconds: 0.1, codec: "ndjson.gz" } },
    numbers: async () => numbers,
    end: double.stop,
  };
}

export async function index(): Promise<Mirror> {
  const documents = new Map<string, number[]>();
  const { url, ...double } = await startDouble((_request, body) => {
    const lines = body.toString().trimEnd().split("\n");
    const items = lines.flatMap((line, i) => {
      if (i % 2 === 1) return [];
      const { _id } = (JSON.parse(line) as { index: { _id: string } }).index;
      const { blob } = JSON.parse(lines[i + 1] as string) as { blob: [string] };
      documents.set(_id, numbersIn(Buffer.from(blob[0], "base64").toString()));
      return [{ index: { _id, status: 201 } }];
    });
    return JSON.stringify({ errors: false, items });
  });
  return {
    ...double,
    external: {
      externalType: "ExternalSearchIndex",
      connectionString: `elastic:index=mirror,nodes=${url},bulk=true`,
      options: { timeoutMs: 1000 },
    },
    tee: {},
    numbers: async () => [...documents.values()].flat(),
    end: double.stop,
  };
}
