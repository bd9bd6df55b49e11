/** Kafka: one node that is broker and controller. Topics are made by whoever needs them. */
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { javaProgramJars } from "../java-programs.ts";
import { runProgram } from "../run-program.ts";
import { freePort, type Server, serverFolder, startServer } from "./server.ts";

export type KafkaServer = Server & {
  /** 127.0.0.1:PORT */
  address: string;
};

const FORMAT_TIMEOUT_MS = 60_000;
const CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg";

export async function startKafka(): Promise<KafkaServer> {
  const jars = join(await javaProgramJars("kafka"), "*");
  const folder = await serverFolder("kafka");
  const [port, controller] = [await freePort(), await freePort()];
  const properties = join(folder, "server.properties");
  await writeFile(properties, propertiesOf(folder, port, controller));
  const format = ["-Xmx128m", "-cp", jars, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties];
  const { code, output } = await runProgram("java", format, process.env, FORMAT_TIMEOUT_MS);
  if (code !== 0) throw new Error(`formatting Kafka's folder failed:\n${output.slice(-3000)}`);
  const jvm = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN"];
  const args = [...jvm, "-cp", jars, "kafka.Kafka", properties];
  const server = await startServer({ name: "Kafka", file: "java", args, folder, ready: () => accepts(port) });
  return { ...server, address: `127.0.0.1:${port}` };
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
