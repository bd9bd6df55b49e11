/**
 * Loaded into our server in front of its own code (`node --import`): SIGUSR2 starts V8's sampling profiler, and the next one
 * writes what it saw to $AGGLO_PROFILE, as a .cpuprofile.
 */
import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

const SAMPLING_US = 200;
const file = process.env.AGGLO_PROFILE;
const session = new Session();
let isRunning = false;

async function toggle(to: string): Promise<void> {
  if (isRunning) {
    const { profile } = await session.post("Profiler.stop");
    writeFileSync(`${to}.new`, JSON.stringify(profile));
    renameSync(`${to}.new`, to); // whole when it is there
  } else {
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: SAMPLING_US });
    await session.post("Profiler.start");
  }
  isRunning = !isRunning;
}

if (file !== undefined) process.on("SIGUSR2", () => void toggle(file));
