/** DynamoDB Local. It listens on all interfaces and cannot be told not to. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CreateTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { javaProgramJars } from "../java-programs.ts";
import { freePort, type Server, serverFolder, startServer } from "./server.ts";

export type DynamoServer = Server & {
  /** http://127.0.0.1:PORT */
  endpoint: string;
};

/** What is in memory is faster, and gone when it is started again. */
export async function startDynamo(data: "in memory" | "in files"): Promise<DynamoServer> {
  const jars = await javaProgramJars("dynamodb-local");
  const folder = await serverFolder("dynamodb");
  await mkdir(join(folder, "data"));
  const port = await freePort();
  const jvm = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", `-Djava.library.path=${jars}`];
  const main = ["-cp", join(jars, "*"), "com.amazonaws.services.dynamodbv2.local.main.ServerRunner"];
  const where = data === "in memory" ? ["-inMemory"] : ["-dbPath", join(folder, "data")];
  const args = [...jvm, ...main, ...where, "-sharedDb", "-disableTelemetry", "-port", `${port}`];
  // Without a signature it says 400, and only once it is there.
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/`)).status === 400;
  const server = await startServer({ name: "DynamoDB Local", file: "java", args, folder, ready });
  return { ...server, endpoint: `http://127.0.0.1:${port}` };
}

/** A table as the original lays it out, or with other names for its keys. */
export async function createTable(
  client: DynamoDBClient,
  name: string,
  hash = "KeyPrefix",
  range = "ValueKey",
): Promise<void> {
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: hash, KeyType: "HASH" },
        { AttributeName: range, KeyType: "RANGE" },
      ],
      AttributeDefinitions: [hash, range].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
    }),
  );
}
