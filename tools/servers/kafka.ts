/** Kafka: one node that is broker and controller. Topics are made by whoever needs them. */
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { javaProgramJars } from "../java-programs.ts";
import { runProgram } from "../run-program.ts";
import { freePort, type Server, serverFolder, startServer } from "./server.ts";

export type KafkaServer = Server & {
  /** 127.0.0.1:PORT */
  address: string;
  /** localhost:PORT, with TLS and a login; "" without */
  secureAddress: string;
};

/** The second way in: who may log in by SASL PLAIN and SCRAM, and what the broker shows. PEM, for localhost. */
export type KafkaSecurity = { username: string; password: string; certFile: string; keyFile: string };

const FORMAT_TIMEOUT_MS = 60_000;
const SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const;
const CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg";

export async function startKafka(security?: KafkaSecurity): Promise<KafkaServer> {
  const jars = join(await javaProgramJars("kafka"), "*");
  const folder = await serverFolder("kafka");
  const [port, controller, securePort] = [await freePort(), await freePort(), await freePort()];
  const properties = join(folder, "server.properties");
  const secure = security === undefined ? "" : await securePropertiesOf(folder, port, controller, securePort, security);
  await writeFile(properties, propertiesOf(folder, port, controller) + secure);
  const tool = ["-Xmx128m", "-cp", jars, "kafka.tools.StorageTool", "format"];
  const format = [...tool, "-t", CLUSTER_ID, "-c", properties, ...(security === undefined ? [] : scramOf(security))];
  const { code, output } = await runProgram("java", format, process.env, FORMAT_TIMEOUT_MS);
  if (code !== 0) throw new Error(`formatting Kafka's folder failed:\n${output.slice(-3000)}`);
  const jvm = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN"];
  const args = [...jvm, "-cp", jars, "kafka.Kafka", properties];
  const server = await startServer({ name: "Kafka", file: "java", args, folder, ready: () => accepts(port) });
  const secureAddress = security === undefined ? "" : `localhost:${securePort}`;
  return { ...server, address: `127.0.0.1:${port}`, secureAddress };
}

// The port opens only when the broker is usable.
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function propertiesOf(folder: string, port: number, controller: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${join(folder, "data")}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=2097152
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
`;
}

function scramOf({ username, password }: KafkaSecurity): string[] {
  return SCRAM.flatMap((mechanism) => ["--add-scram", `${mechanism}=[name=${username},password=${password}]`]);
}

/** Read after the others, of which it replaces some. */
async function securePropertiesOf(
  folder: string,
  port: number,
  controller: number,
  securePort: number,
  { username, password, certFile, keyFile }: KafkaSecurity,
): Promise<string> {
  const store = join(folder, "broker.pem");
  await writeFile(store, `${await readFile(keyFile, "utf8")}\n${await readFile(certFile, "utf8")}`, { mode: 0o600 });
  const module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
  const scramModule = "org.apache.kafka.common.security.scram.ScramLoginModule required";
  return `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller},SECURE://127.0.0.1:${securePort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port},SECURE://localhost:${securePort}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
listener.name.secure.sasl.enabled.mechanisms=PLAIN,${SCRAM.join(",")}
listener.name.secure.plain.sasl.jaas.config=${module} user_${username}="${password}";
${SCRAM.map((mechanism) => `listener.name.secure.${mechanism.toLowerCase()}.sasl.jaas.config=${scramModule};`).join("\n")}
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=${store}
`;
}
