/** NATS with JetStream. */
import { join } from "node:path";
import { goProgramPath } from "../go-programs.ts";
import { freePort, type Server, serverFolder, startServer } from "./server.ts";

export type NatsServer = Server & {
  /** nats://127.0.0.1:PORT */
  url: string;
};

/** `more`: arguments as `nats-server --help` lists them */
export async function startNats(...more: string[]): Promise<NatsServer> {
  const file = await goProgramPath("nats-server");
  const folder = await serverFolder("nats");
  const port = await freePort();
  const monitor = await freePort();
  const store = ["-js", "-sd", join(folder, "jetstream")];
  const args = ["-a", "127.0.0.1", "-p", String(port), "-m", String(monitor), ...store, ...more];
  const ready = async () => (await fetch(`http://127.0.0.1:${monitor}/healthz`)).ok;
  const server = await startServer({ name: "nats-server", file, args, folder, ready });
  return { ...server, url: `nats://127.0.0.1:${port}` };
}
