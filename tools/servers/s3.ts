/** S3: versitygw over a folder. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { goProgramPath } from "../go-programs.ts";
import { freePort, type Server, serverFolder, startServer } from "./server.ts";

export type S3Server = Server & {
  /** http://127.0.0.1:PORT */
  endpoint: string;
  /** each bucket is a folder in it */
  data: string;
};

export const S3_CREDENTIALS = { accessKeyId: "test", secretAccessKey: "testsecret" } as const;

export async function startS3(): Promise<S3Server> {
  const file = await goProgramPath("versitygw");
  const folder = await serverFolder("s3");
  const data = join(folder, "data");
  await mkdir(data);
  const address = `127.0.0.1:${await freePort()}`;
  const { accessKeyId, secretAccessKey } = S3_CREDENTIALS;
  const keys = ["--access", accessKeyId, "--secret", secretAccessKey];
  // Not --keep-alive: with it, requests after a rejected one are now and then misread.
  const args = ["--port", address, ...keys, "--health", "/health", "--quiet", "posix", data];
  const ready = async () => (await fetch(`http://${address}/health`)).ok;
  const server = await startServer({ name: "versitygw", file, args, folder, ready });
  return { ...server, endpoint: `http://${address}`, data };
}
