import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandRequest } from "../core/ports.ts";
import { COMMAND_LIMITS, nodeCommands, refusedCommands } from "./commands.ts";
import { nodeTimers } from "./ports.ts";

const newCommands = (limits: Partial<typeof COMMAND_LIMITS> = {}) =>
  nodeCommands({ timers: nodeTimers(), nowMs: Date.now, limits: { ...COMMAND_LIMITS, ...limits } });

/** A shell is just a program here: it makes short tests. */
function shell(script: string, request: Partial<CommandRequest> = {}): CommandRequest {
  const args = ["-c", script];
  return { path: "/bin/sh", args, stdin: "", delayMs: 0, timeoutMs: 15_000, outputBytesMax: 1_000_000, ...request };
}

describe("a command", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "agglo-commands-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("reads its input and gives what it wrote to stdout, and to nothing else", async () => {
    const result = await newCommands().run(shell("cat; echo noise >&2", { stdin: '{"é":"😀"}\n' }));
    expect(result).toEqual({ stdout: '{"é":"😀"}\n' });
  });

  test("gets its arguments as they are: no shell reads them", async () => {
    const arg = "$(touch /tmp/x); `id` 'a b' *";
    const result = await newCommands().run(shell("", { path: "printf", args: ["%s|%s", arg, ""] }));
    expect(result).toEqual({ stdout: `${arg}|` });
  });

  test("may leave its input unread, however long that is", async () => {
    const result = await newCommands().run(shell("exec <&-; echo done", { stdin: "x".repeat(5_000_000) }));
    expect(result).toEqual({ stdout: "done\n" });
  });

  test("many at once: each has its own input, and no more run than may (B18)", async () => {
    // Each notes how many there are while it runs; a file per one that runs.
    const script = `n=$(cat); touch ${folder}/$n; ls ${folder} | wc -l; rm ${folder}/$n; echo $n`;
    const commands = newCommands({ runningMax: 4 });
    const results = await Promise.all(
      Array.from({ length: 48 }, (_, i) => commands.run(shell(script, { stdin: `event-${i}` }))),
    );
    for (const [i, result] of results.entries()) {
      const [running, name] = ("stdout" in result ? result.stdout : result.message).trim().split(/\s+/);
      expect(name).toBe(`event-${i}`);
      expect(Number(running)).toBeLessThanOrEqual(4);
    }
  });

  const FAILURES: [string, CommandRequest, object][] = [
    ["ends with 3", shell("echo one >&2; echo two >&2; exit 3"), { code: "exit", retryable: true, stderr: "one" }],
    ["is ended by a signal", shell("kill -9 $$"), { code: "exit", message: "was ended by SIGKILL", retryable: true }],
    ["is not there", shell("", { path: "/no/such/program" }), { code: "ENOENT", retryable: false }],
    ["is not on PATH", shell("", { path: "no-such-program-of-ours" }), { code: "ENOENT", retryable: false }],
    ["is a folder", shell("", { path: "/tmp" }), { code: "EACCES", retryable: false }],
    ["has an impossible argument", shell("", { args: ["a\0b"] }), { code: "ERR_INVALID_ARG_VALUE", retryable: false }],
    ["has too long arguments", shell("", { args: ["x".repeat(5_000_000)] }), { code: "E2BIG", retryable: false }],
    ["writes too much", shell("yes"), { code: "output", retryable: false }],
    ["writes what is no text", shell("printf '\\377'"), { code: "output", message: "wrote what is not UTF-8" }],
    [
      "does not end",
      shell("echo why >&2; cat >/dev/null; while :; do :; done", { timeoutMs: 300 }),
      { code: "timeout" },
    ],
  ];
  test.each(FAILURES)("that %s is a value", async (_title, request, expected) => {
    expect(await newCommands().run(request)).toMatchObject(expected);
  });

  test("says of its failure one bounded line without control characters", async () => {
    const script = `printf '\\n\\033[2Jsecret %s\\nmore' "$(head -c 5000 /dev/zero | tr '\\0' x)" >&2; exit 1`;
    const result = await newCommands().run(shell(script));
    expect("stderr" in result && result.stderr).toMatch(/^ \[2Jsecret x{100,}$/);
    expect("stderr" in result && result.stderr.length).toBeLessThanOrEqual(200);
  });

  test("that takes too long is killed with everything it started", async () => {
    // The grandchild holds stdout open and would live for a minute.
    const script = `sleep 60 & echo $! > ${folder}/pid; wait`;
    const result = await newCommands().run(shell(script, { timeoutMs: 1000 }));
    expect(result).toMatchObject({ code: "timeout", retryable: true });
    const pid = Number(await readFile(join(folder, "pid"), "utf8"));
    expect(await ends(pid)).toBe(true);
  });

  test("that left its group holding the pipes does not hold us", async () => {
    const pipes = () => process.getActiveResourcesInfo().filter((name) => name === "PipeWrap").length;
    const before = pipes();
    const result = await newCommands().run(shell("setsid sleep 3 & exit 0", { timeoutMs: 500 }));
    expect(result).toMatchObject({ code: "timeout" });
    for (let i = 0; i < 1000 && pipes() > before; i++) await new Promise(setImmediate);
    expect(pipes()).toBe(before);
  });

  test("starts after its delay", async () => {
    const asked: number[] = [];
    const timers = {
      ...nodeTimers(),
      after(delayMs: number, callback: () => void) {
        asked.push(delayMs);
        return nodeTimers().after(Math.min(delayMs, 10_000), callback);
      },
    };
    const commands = nodeCommands({ timers, nowMs: Date.now, limits: COMMAND_LIMITS });
    expect(await commands.run(shell("echo late", { delayMs: 20 }))).toEqual({ stdout: "late\n" });
    expect(asked[0]).toBe(20);
  });

  test("that may not be executed is told what would make it a program", async () => {
    const path = join(folder, "script");
    await writeFile(path, "#!/bin/sh\necho hello\n");
    const request = shell("", { path, args: [] });
    expect(await newCommands().run(request)).toMatchObject({
      code: "EACCES",
      message: "may not be executed; chmod +x makes it a program",
    });
    await chmod(path, 0o755);
    expect(await newCommands().run(request)).toEqual({ stdout: "hello\n" });
  });

  test("is refused at once beyond what may be held, and none of the others is", async () => {
    const commands = newCommands({ runningMax: 1, heldMax: 3 });
    const results = await Promise.all([1, 2, 3, 4, 5].map((n) => commands.run(shell(`echo ${n}`))));
    expect(results.slice(0, 3)).toEqual([{ stdout: "1\n" }, { stdout: "2\n" }, { stdout: "3\n" }]);
    for (const result of results.slice(3)) expect(result).toMatchObject({ code: "overload", retryable: true });
    expect(await commands.run(shell("echo again"))).toEqual({ stdout: "again\n" });
  });

  test("is refused at once when its input is more than may be held", async () => {
    const commands = newCommands({ heldCharsMax: 10 });
    expect(await commands.run(shell("cat", { stdin: "x".repeat(11) }))).toMatchObject({ code: "overload" });
    expect(await commands.run(shell("cat", { stdin: "x".repeat(10) }))).toEqual({ stdout: "x".repeat(10) });
    expect(await commands.run(shell("cat", { stdin: "y".repeat(10) }))).toEqual({ stdout: "y".repeat(10) });
  });

  test("that waits too long for its turn is not started, and its place in the line is free", async () => {
    const commands = newCommands({ runningMax: 1 });
    const first = commands.run(shell("sleep 60", { timeoutMs: 1500 }));
    const late = commands.run(shell(`touch ${folder}/started`, { timeoutMs: 50 }));
    const last = commands.run(shell("echo last"));
    expect(await late).toMatchObject({ code: "overload", retryable: true });
    expect(await first).toMatchObject({ code: "timeout" });
    expect(await last).toEqual({ stdout: "last\n" });
    await expect(readFile(join(folder, "started"))).rejects.toThrow("ENOENT");
  });

  test("that had to wait for its turn has the rest of its time, and its place is free after it", async () => {
    const commands = newCommands({ runningMax: 1 });
    const first = commands.run(shell("echo first"));
    const second = commands.run(shell("sleep 60", { timeoutMs: 700 }));
    const third = commands.run(shell("echo third"));
    expect(await first).toEqual({ stdout: "first\n" });
    expect(await second).toMatchObject({ code: "timeout" });
    expect(await third).toEqual({ stdout: "third\n" });
  });

  test("runs out its time when we end, and is killed after it; nothing new starts", async () => {
    const commands = newCommands({ runningMax: 1 });
    const running = commands.run(shell("sleep 60"));
    const waiting = commands.run(shell("echo x"));
    const delayed = commands.run(shell("echo x", { delayMs: 60_000 }));
    await commands.close(100);
    for (const result of [running, waiting, delayed]) expect(await result).toMatchObject({ code: "closed" });
    expect(await commands.run(shell("echo x"))).toMatchObject({ code: "closed", retryable: false });
    const calm = newCommands();
    const done = calm.run(shell("echo done"));
    await calm.close(15_000);
    expect(await done).toEqual({ stdout: "done\n" });
  });

  test("is refused where commands are not allowed", async () => {
    expect(await refusedCommands().run(shell("echo x"))).toMatchObject({ code: "refused", retryable: false });
  });
});

/** Whether a process ends (or is a zombie) soon: it was killed, the kernel has to get round to it. */
async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 1000; i++) {
    const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (state === "" || state.includes(") Z ")) return true;
    await new Promise(setImmediate);
  }
  return false;
}
