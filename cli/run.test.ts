import { spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startBinge } from "./testing.ts";

const folder = mkdtempSync(join(tmpdir(), "agglo-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string) => join(folder, name);
const RUN = ["run", "--config", "mark.json", "--pipeline", "mark"];

beforeAll(() => {
  const mark = {
    pipelines: [{ name: "mark", processes: [{ name: "x" }, { name: "no-bad" }] }],
    processDefinitions: [
      { annotator: { name: "x", annotations: [{ fieldKey: "x", value: "1" }] } },
      { filter: { name: "no-bad", unless: "!has(event.bad)", reject: { status: 400 } } },
    ],
    http: { version: 1, routes: [] },
  };
  writeFileSync(inFolder("mark.json"), JSON.stringify(mark));
});

function run(args: string[], stdin = "") {
  const { child, ended } = startBinge([...RUN, ...args], folder);
  child.stdin?.end(stdin);
  return ended;
}

/** The final events without what the pipeline says of itself. */
const bare = (stdout: string) => stdout.replaceAll(',"internal:name":"mark"', "").trim().split("\n");

describe("formats", () => {
  test("a pretty object, and several, on standard input", async () => {
    const { code, stdout } = await run(["--format", "json"], '{\n  "n": 1.50\n}\n{"m":1}');
    expect(bare(stdout)).toEqual(["{", '  "n": 1.50', ',"x":"1"}', '{"m":1,"x":"1"}']);
    expect(code).toBe(0);
  });

  test.each([
    ["in.json", '[{"n": 1.50},\n{"bad":1}]', ['{"n": 1.50,"x":"1"}'], "line 2: mark: refused by no-bad\n"],
    ["in.csv", "n,m\n007,\n1\n", ['{"n":"007","m":"","x":"1"}'], "line 3: 1 values under a header line of 2\n"],
    ["in.yaml", "n: 1.50\n---\nn: .inf\n", ['{"n":1.50,"x":"1"}'], "line 3: a number that JSON does not have\n"],
    ["in.jsonl", '{"n":1}\n[]\n', ['{"n":1,"x":"1"}'], "line 2: not a JSON object\n"],
  ])("%s is what its ending says; a failing event has its place, and exit 1", async (name, text, lines, complaints) => {
    writeFileSync(inFolder(name), text);
    const { code, stdout, stderr } = await run(["--input", name]);
    expect(bare(stdout)).toEqual(lines);
    expect(stderr).toBe(complaints);
    expect(code).toBe(1);
  });
});

describe("exit codes", () => {
  test.each([
    [["--input", "gone.ndjson"], 66, "gone.ndjson: there is no such file\n"],
    [["--input", "."], 66, ".: a directory; name a file\n"],
    [["--output", "gone/out"], 73, "gone/out: cannot create it: ENOENT\n"],
    [["--follow"], 2, "binge run: --follow needs --input FILE\n"],
    [["--follow", "--input", "x.csv"], 2, "binge run: --follow reads ndjson, not csv\n"],
    [["--format", "xml"], 2, 'binge run: --format is one of ndjson, json, csv, yaml, not "xml"\n'],
  ])("%j ends with %i", async (args, code, stderr) => {
    expect(await run(args)).toEqual({ code, stdout: "", stderr });
  });

  test("65 where the input cannot be understood, with all before it written", async () => {
    const { code, stdout, stderr } = await run(["--format", "json"], '{"n":1}\n}');
    expect(bare(stdout)).toEqual(['{"n":1,"x":"1"}']);
    expect(stderr).toBe('line 2: expected an event, found "}"; nothing from here on was read\n');
    expect(code).toBe(65);
  });

  describe.runIf(process.platform === "linux")("74", () => {
    test("where the output is full", async () => {
      const { code, stderr } = await run(["--output", "/dev/full"], '{"n":1}\n');
      expect(stderr).toBe("/dev/full: cannot write: ENOSPC\n");
      expect(code).toBe(74);
    });

    test.each([[...RUN], ["list"]])("where standard output is full: %s", async (...args) => {
      const full = openSync("/dev/full", "w");
      const binge = fileURLToPath(new URL("./binge.ts", import.meta.url));
      const child = spawn(process.execPath, [binge, ...args], { cwd: folder, stdio: ["pipe", full, "pipe"] });
      child.stdin?.end('{"n":1}\n');
      let stderr = "";
      child.stderr?.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      const code = await new Promise((resolve) => child.on("close", resolve));
      closeSync(full);
      expect({ code, stderr }).toEqual({ code: 74, stderr: "standard output: cannot write: ENOSPC\n" });
    });
  });
});

describe("--output", () => {
  test("is truncated (B49) and holds what standard output would", async () => {
    writeFileSync(inFolder("out"), "old and longer than what comes now".repeat(10));
    const { code, stdout } = await run(["--output", "out"], '{"n":1}\n');
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(bare(readFileSync(inFolder("out"), "utf8"))).toEqual(['{"n":1,"x":"1"}']);
  });

  test("is not the input, by whatever name", async () => {
    writeFileSync(inFolder("both.ndjson"), '{"n":1}\n');
    const { code, stderr } = await run(["--input", "both.ndjson", "--output", "./both.ndjson"]);
    expect(stderr).toContain("./both.ndjson is the input, and writing would empty it");
    expect(code).toBe(2);
    expect(readFileSync(inFolder("both.ndjson"), "utf8")).toBe('{"n":1}\n');
  });

  test("that nobody reads on ends it quietly", async () => {
    const { child, ended } = startBinge(RUN, folder);
    child.stdin?.on("error", () => {}); // it stops reading, too
    child.stdout?.once("data", () => child.stdout?.destroy());
    child.stdin?.write('{"n":1}\n'.repeat(100_000)); // and no end: it must end by itself
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

describe("signals", () => {
  test("end it with everything written, and the code says that the input was not read to its end", async () => {
    const { child, ended } = startBinge([...RUN, "--output", "cut"], folder);
    child.stdin?.write('{"n":1}\n{"n":2');
    await vi.waitFor(() => expect(readFileSync(inFolder("cut"), "utf8")).toContain('"n":1'), { timeout: 10_000 });
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
    expect(bare(readFileSync(inFolder("cut"), "utf8"))).toEqual(['{"n":1,"x":"1"}']);
  });
});

describe("--follow", () => {
  test("reads what is there and what comes, through truncation and rotation, until a signal", async () => {
    const log = inFolder("log.ndjson");
    writeFileSync(log, '{"n":1}\n');
    const { child, ended } = startBinge([...RUN, "--input", "log.ndjson", "--follow"], folder);
    let stdout = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    const saw = (n: number) => vi.waitFor(() => expect(stdout).toContain(`"n":${n},`), { timeout: 10_000 });
    await saw(1);
    appendFileSync(log, '{"n":2}\n{"n":');
    await saw(2);
    appendFileSync(log, '3}\n{"n":4444444444}\n');
    await saw(3);
    truncateSync(log);
    appendFileSync(log, '{"n":5}\n');
    await saw(5);
    renameSync(log, inFolder("log.1"));
    appendFileSync(inFolder("log.1"), '{"n":6}\n'); // its writer has not noticed yet
    await saw(6);
    writeFileSync(log, '{"bad":1}\n{"n":7}\n');
    await saw(7);
    appendFileSync(log, '{"n":8');
    child.kill("SIGTERM");
    const { code, stderr } = await ended;
    expect(bare(stdout).map((line) => (JSON.parse(line) as { n: number }).n)).toEqual([1, 2, 3, 4444444444, 5, 6, 7]);
    expect(stderr).toBe("line 1: mark: refused by no-bad\n");
    expect(code).toBe(1);
  });
});

// The repository needs python3 anyway; Node opens no pseudo-terminal by itself.
test("a terminal sees how far it is, and complaints above the bar", async () => {
  writeFileSync(inFolder("long.ndjson"), `no\n${'{"n":1}\n'.repeat(50_000)}`);
  const binge = [process.execPath, fileURLToPath(new URL("./binge.ts", import.meta.url))];
  const command = [...binge, ...RUN, "--input", "long.ndjson", "--output", "long.out"];
  const child = spawn("python3", ["-c", "import pty,sys; pty.spawn(sys.argv[1:])", ...command], { cwd: folder });
  let seen = "";
  child.stdout.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
  });
  await new Promise((resolve) => child.on("close", resolve));
  expect(seen).toMatch(/\[#*-*\] \d+ %/);
  expect(seen).toContain("\r\u001b[Kline 1: not valid JSON\r\n");
  expect(seen.endsWith("\r\u001b[K")).toBe(true);
});
