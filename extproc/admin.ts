/** The admin port: liveness, readiness, counters. For operators only, so it listens where it is told and nowhere else. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { prometheusGauges } from "../engine/runtime/gauges.ts";
import type { Runtime } from "../engine/runtime/runtime.ts";
import { boundAddress, listen } from "./listen.ts";

export type Admin = { address: string; setReady(ready: boolean): void; close(): Promise<void> };

export async function startAdmin(address: string, runtime: Runtime): Promise<Admin> {
  let ready = true;
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0];
    if (request.method !== "GET") return answer(response, 405, "only GET\n");
    if (path === "/livez") return answer(response, 200, "ok\n");
    if (path === "/readyz") return answer(response, ready ? 200 : 503, ready ? "ok\n" : "draining\n");
    if (path === "/metrics") return answer(response, 200, metrics(runtime));
    answer(response, 404, "there are /livez, /readyz and /metrics\n");
  });
  const listener = await listen(
    address,
    (socket) => server.emit("connection", socket),
    () => {},
  );
  return {
    address: boundAddress(address, listener),
    setReady(value) {
      ready = value;
    },
    close: () => close(server, listener),
  };
}

function close(server: Server, listener: { close(done: () => void): unknown }): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => listener.close(() => resolve()));
}

function metrics(runtime: Runtime): string {
  return runtime.counters.prometheus() + prometheusGauges(runtime.gauges());
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  response.end(text);
}
