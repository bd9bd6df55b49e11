import { describe, expect, test } from "vitest";
import type { LinkedSection, Verdict } from "../engine/core/routes/section.ts";
import { admit, type Reading } from "./admission.ts";
import type { Delivery } from "./exchange/treatment.ts";

type Parts = { guards?: boolean; direction?: "request" | "response"; statuses?: string[]; pipelines?: unknown[] };

/** Its faults are answered with their reason. */
function section({ guards = true, direction = "request", statuses = [], pipelines = [{}] }: Parts = {}): LinkedSection {
  const onFault = { contentType: { status: 415 }, unparsable: { status: 400 }, tooLarge: { status: 413 } };
  const contentTypes = ["application/json", "application/x-ndjson"];
  const limits = { bodyBytes: 100 };
  const plan = { direction, guards, enforce: true, statuses, contentTypes, limits, onFault, setHeaders: [] };
  return { plan, pipelines, ports: {} } as unknown as LinkedSection;
}

function admitted(parts: Parts, delivery: Delivery, ...headers: string[]): Reading | string {
  const answer: Verdict | Reading = admit(section(parts), headers, delivery);
  return typeof answer === "string" ? answer : `${answer.kind} ${answer.reply?.status ?? ""}`.trim();
}

const JSON_TYPE = ["content-type", "application/json"];
const NDJSON = ["content-type", "application/x-ndjson; charset=utf-8"];
const GRPC = ["content-type", "application/grpc"];
const DELIVERIES: Delivery[] = ["none", "whole", "start", "pieces", "copy"];

describe("how a body is read, by how it comes (none, whole, start, pieces, copy)", () => {
  test.each([
    ["guarded JSON", {}, JSON_TYPE, ["missing", "whole", "whole", "whole", "missing"]],
    ["JSON that is looked at", { guards: false }, JSON_TYPE, ["missing", "whole", "whole", "whole", "whole"]],
    ["guarded events", {}, NDJSON, ["missing", "whole", "whole", "events", "missing"]],
    ["events that are looked at", { guards: false }, NDJSON, ["missing", "whole", "whole", "events", "events"]],
    ["coded events", {}, [...NDJSON, "content-encoding", "gzip"], ["missing", "whole", "whole", "whole", "missing"]],
    ["guarded gRPC", {}, GRPC, ["missing", "grpc", "grpc", "grpc", "missing"]],
    ["gRPC that is looked at", { guards: false }, GRPC, Array(5).fill("passed")],
  ] as const)("%s", (_name, parts, headers, wanted) => {
    expect(DELIVERIES.map((delivery) => admitted({ ...parts }, delivery, ...headers))).toEqual(wanted);
  });
});

describe("what headers alone decide", () => {
  test.each([
    ["another content type", {}, ["content-type", "text/plain"], "faulted 415"],
    ["none", {}, [], "faulted 415"],
    ["two at once", {}, [...JSON_TYPE, ...JSON_TYPE], "faulted 415"],
    ["another charset", {}, ["content-type", "application/json; charset=utf-16"], "faulted 415"],
    ["gRPC-Web", {}, ["content-type", "application/grpc-web"], "faulted 415"],
    ["an unknown coding", {}, [...JSON_TYPE, "content-encoding", "compress"], "faulted 400"],
    ["two codings", {}, [...JSON_TYPE, "content-encoding", "gzip, br"], "faulted 400"],
    [
      "two codings in two lines",
      {},
      [...JSON_TYPE, "content-encoding", "gzip", "content-encoding", "br"],
      "faulted 400",
    ],
    ["too long a body", {}, [...JSON_TYPE, "content-length", "101"], "faulted 413"],
    ["part of a body", { direction: "response" }, [...JSON_TYPE, ":status", "206"], "faulted 400"],
    ["part of a body that is looked at", { guards: false }, [...JSON_TYPE, ":status", "206"], "whole"],
    ["another status", { direction: "response", statuses: ["2xx"] }, [...JSON_TYPE, ":status", "404"], "passed"],
    ["a section without pipelines", { pipelines: [] }, ["content-type", "text/plain"], "passed"],
  ] as const)("%s", (_name, parts, headers, wanted) => {
    const copied = { ...parts, statuses: "statuses" in parts ? [...parts.statuses] : [] };
    const { pipelines, ...rest } = { pipelines: [{}] as unknown[], ...copied };
    expect(admitted({ ...rest, pipelines: [...pipelines] }, "whole", ...headers)).toBe(wanted);
  });

  test("a stream of events may be longer than a body, unless it is held whole", () => {
    expect(admitted({}, "pieces", ...NDJSON, "content-length", "101")).toBe("events");
    expect(admitted({}, "whole", ...NDJSON, "content-length", "101")).toBe("faulted 413");
  });
});
