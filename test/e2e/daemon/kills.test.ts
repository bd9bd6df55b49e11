import { expect, test } from "vitest";
import { runKills } from "./kills.ts";

test("20 kills under load lose nothing that was acknowledged, and invent nothing", async () => {
  const { kills, acknowledged, lost, invented } = await runKills(20);
  expect(acknowledged).toBeGreaterThan(kills);
  expect({ lost, invented }).toEqual({ lost: 0, invented: 0 });
}, 300_000);
