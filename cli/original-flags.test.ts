import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isOriginal, translate } from "./original-flags.ts";
import { startBinge } from "./testing.ts";

const line = (text: string) => {
  const { verb, args } = translate(text.split(" "));
  return [verb, ...args].join(" ");
};

const DAEMON =
  "serve --config f --listen 0.0.0.0:8080 --path /binge --admin 0.0.0.0:8081 --maintenance-path /maintenance --allow-spawn";

test.each([
  ["-config f", "run --config f --format json"],
  ["--config=f -runType=standalone -outfile /dev/stdout", "run --config f --format json"],
  ["-config f -outfile=out.json", "run --config f --format json --output out.json"],
  ["-runType stateless-daemon -config f", DAEMON],
  [
    "-config f -runType stateless-daemon -daemonPort 1 -daemonPath /e -maintenancePort=2 -maintenancePath /m -maxConnections 3",
    "serve --config f --listen 0.0.0.0:1 --path /e --admin 0.0.0.0:2 --maintenance-path /m --in-flight 3 --allow-spawn",
  ],
  [
    "-config f -runType persistent-daemon -numThreads 4 -stateDbPath /nowhere/q",
    `${DAEMON} --durable /nowhere/q --workers 4`,
  ],
])("%s", (flags, ours) => expect(line(flags)).toBe(ours));

test.each([
  ["-runType standalone", "-config is missing"],
  ["-config", "-config needs a value"],
  ["-config f -verbose", 'there is no flag "-verbose"; there are -config, -runType'],
  ["-config f extra", 'there is no flag "extra"'],
  ["-config f -runType daemon", 'not "daemon"'],
  ["-config f -daemonPort http", '-daemonPort is a number, not "http"'],
  ["-config f -runType lambda", '"binge lambda --config f --out FILE.zip"'],
])("%s is refused", (flags, sentence) => expect(() => line(flags)).toThrow(sentence));

test("what does nothing any more says what does", () => {
  const flags =
    "-config f -runType stateless-daemon -force -exporter zipkin -cpuprofile p -numThreads 3 -stateDbPath /q";
  const { warnings } = translate(flags.split(" "));
  expect(warnings.map((warning) => warning.split(" ")[0])).toEqual([
    "-force",
    "-exporter",
    "-cpuprofile",
    "-numThreads",
    "-stateDbPath",
  ]);
  expect(translate("-config f -force=false -exporter none -daemonPort 1".split(" ")).warnings).toEqual([]);
});

test("a queue of the original is not ours to open", () => {
  const folder = mkdtempSync(join(tmpdir(), "agglo-flags-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "bolt"), "");
  expect(() => line(`-config f -runType persistent-daemon -stateDbPath ${join(folder, "bolt")}`)).toThrow(
    /is a file, a queue of the original: start the original on it once more/,
  );
});

test("where a command line begins with a verb nothing is translated", () => {
  expect(["-config", "--config", "-x"].every(isOriginal)).toBe(true);
  expect(["run", "-", "--", undefined].some(isOriginal)).toBe(false);
});

test("the command takes them, says what they are now, and serves", async () => {
  const folder = mkdtempSync(join(tmpdir(), "agglo-flags-"));
  writeFileSync(join(folder, "f.json"), '{"partitionUuid":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","pipelines":[]}');
  const flags = ["-config", "f.json", "-runType", "stateless-daemon", "-daemonPort=0", "-maintenancePort=0", "-force"];
  const { child, said, ended } = startBinge(flags, folder);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true });
  });
  const stderr = await said("admin on");
  expect(stderr).toContain("binge: -force does nothing here");
  expect(stderr).toContain("binge: this is now: binge serve --config f.json --listen 0.0.0.0:0");
  const port = /events on 0.0.0.0:(\d+)/.exec(stderr)?.[1];
  const response = await fetch(`http://127.0.0.1:${port}/binge`, { method: "POST", body: "{}" });
  expect(await response.text()).toBe("Success");
}, 30_000);

test("standalone: the event of standard input, over any number of lines, to a file that is truncated (B49)", async () => {
  const folder = mkdtempSync(join(tmpdir(), "agglo-flags-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const pipelines = [{ name: "p", processes: [] }];
  const partitionUuid = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
  writeFileSync(join(folder, "f.json"), JSON.stringify({ partitionUuid, pipelines }));
  writeFileSync(join(folder, "out.json"), "x".repeat(10_000));
  const { child, ended } = startBinge(["-config", "f.json", "-outfile=out.json"], folder);
  child.stdin?.end('{\n  "a": 1\n}\n');
  expect((await ended).code).toBe(0);
  const written = JSON.parse(readFileSync(join(folder, "out.json"), "utf8")) as object;
  expect(written).toEqual({ a: 1, "internal:name": "p", "internal:partitionID": partitionUuid });
}, 30_000);
