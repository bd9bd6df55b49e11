import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { boundAddress, listen } from "./listen.ts";

let folder = "";
const open: Server[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agglo-listen-"));
});

afterEach(async () => {
  for (const server of open.splice(0)) server.close();
  await rm(folder, { recursive: true });
});

const fail = (error: Error) => {
  throw error;
};

async function tryOut(address: string): Promise<string> {
  const server = await listen(address, (socket) => socket.destroy(), fail);
  open.push(server);
  return boundAddress(address, server);
}

/** A socket file as a killed process leaves it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const script = "require('node:net').createServer().listen(process.argv[1], () => console.log('up'))";
  const child = spawn(process.execPath, ["-e", script, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
}

describe("addresses", () => {
  it.each(["127.0.0.1:0", "localhost:0", "[::1]:0"])("fills in the real port of %s", async (address) => {
    const bound = await tryOut(address);
    expect(bound.slice(0, -1)).toMatch(new RegExp(`^${address.slice(0, -1).replaceAll(/[[\].]/g, "\\$&")}\\d+$`));
    expect(bound).not.toBe(address);
  });

  it.each(["", "8080", ":8080", "::1:8080", "localhost:", "localhost:99999", "localhost:x", "tcp://a:1"])(
    "refuses %j and says what it expects",
    async (address) => {
      await expect(tryOut(address)).rejects.toThrow(
        `cannot listen on ${address}: expected HOST:PORT, [IPv6]:PORT or unix:/path`,
      );
    },
  );

  it("names a taken port and what to do", async () => {
    const address = await tryOut("127.0.0.1:0");
    await expect(tryOut(address)).rejects.toThrow(`cannot listen on ${address}: something already listens there`);
  });

  it("names an address that this machine does not have", async () => {
    await expect(tryOut("192.0.2.1:0")).rejects.toThrow(
      "cannot listen on 192.0.2.1:0: this machine has no such address",
    );
  });
});

describe("unix sockets", () => {
  it("listens on a path, and leaves none behind when it closes", async () => {
    const path = join(folder, "s");
    const server = await listen(`unix:${path}`, (socket) => socket.destroy(), fail);
    server.close();
    await once(server, "close");
    await expect(readFile(path)).rejects.toThrow("ENOENT");
  });

  it("replaces a socket file that a killed process left behind", async () => {
    const path = join(folder, "s");
    await leaveStaleSocket(path);
    expect(await tryOut(`unix:${path}`)).toBe(`unix:${path}`);
  });

  it("leaves a living socket alone", async () => {
    const path = join(folder, "s");
    const living = createServer((socket) => socket.destroy()).listen(path);
    open.push(living);
    await once(living, "listening");
    await expect(tryOut(`unix:${path}`)).rejects.toThrow("something already listens there");
    expect(living.listening).toBe(true);
  });

  it("deletes no file that is not a socket", async () => {
    const path = join(folder, "precious");
    await writeFile(path, "data");
    await expect(tryOut(`unix:${path}`)).rejects.toThrow("the file is no socket");
    expect(await readFile(path, "utf8")).toBe("data");
  });

  it("names a missing folder", async () => {
    await expect(tryOut(`unix:${folder}/none/s`)).rejects.toThrow("the folder does not exist");
  });

  it("names a path that is too long for a socket, and a missing one", async () => {
    await expect(tryOut(`unix:/${"x".repeat(107)}`)).rejects.toThrow("the path has 108 bytes");
    await expect(tryOut("unix:")).rejects.toThrow('expected a path after "unix:"');
  });
});
