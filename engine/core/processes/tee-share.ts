/** Which of the events that a tee could copy it does copy: a share of them (`sample`), and no more than so many a second (`rate`). */
import { type Compiler, readPath } from "../compiler.ts";
import type { RunContext } from "../context.ts";
import type { ConfigOf } from "../definition.ts";
import { complain, type DocumentPath } from "../diagnostic.ts";
import { lookup, type Path } from "../event/path.ts";
import { stringify } from "../event/write.ts";

export const SHARE_FIELDS = {
  sample: {
    kind: "object",
    ours: true,
    doc: "Copy a share of the events only.",
    fields: {
      percent: { kind: "number", required: true, doc: "More than 0, at most 100." },
      by: {
        kind: "string",
        doc:
          "A path whose value decides, so that all events with one value go together: `customer.id`, " +
          "`internal:http.headers.x-user`. Absent, or where an event has no such value: by chance.",
      },
    },
  },
  rate: {
    kind: "object",
    ours: true,
    doc: "Copy no more than so many events a second, per tee and worker; the others pass uncopied and are counted as dropped.",
    fields: {
      perSecond: { kind: "number", required: true, doc: "Events a second in the long run; more than 0." },
      burst: {
        kind: "integer",
        min: 1,
        doc: "Events at once after a pause. Default: those of one second, at least 1.",
      },
    },
  },
} as const;

export type Share = {
  /** 100 = all */
  percent: number;
  by: Path | undefined;
  /** 0 = any number */
  perSecond: number;
  burst: number;
};

export function compileShare(config: ConfigOf<typeof SHARE_FIELDS>, compiler: Compiler, at: DocumentPath): Share {
  const share: Share = { percent: 100, by: undefined, perSecond: 0, burst: 0 };
  if (config.sample !== undefined) {
    share.percent = config.sample.percent;
    if (!(share.percent > 0 && share.percent <= 100)) {
      const path = at.concat("sample", "percent");
      complain(
        compiler.report,
        "E_VALUE",
        path,
        "expected more than 0 and at most 100",
        "take the tee out to copy none",
      );
    }
    if (config.sample.by !== undefined) share.by = readPath(compiler, config.sample.by);
  }
  if (config.rate !== undefined) {
    share.perSecond = config.rate.perSecond;
    if (!(share.perSecond > 0)) {
      const path = at.concat("rate", "perSecond");
      complain(compiler.report, "E_VALUE", path, "expected more than 0", "take the tee out to copy none");
    }
    share.burst = config.rate.burst ?? Math.max(1, Math.ceil(share.perSecond));
  }
  return share;
}

/** A token bucket: what a tee may still send. */
export type Bucket = { tokens: number; atMs: number };

export function newBucket(share: Share, nowMs: number): Bucket {
  return { tokens: share.burst, atMs: nowMs };
}

/** Why the event is not copied; "" when it is. */
export function skippedBecause(share: Share, bucket: Bucket, context: RunContext): "" | "sample" | "rate" {
  if (share.percent < 100 && drawn(share, context) * 100 >= share.percent) return "sample";
  return share.perSecond > 0 && !takeToken(share, bucket, context.ports.clock.nowMs()) ? "rate" : "";
}

/** At least 0, less than 1: by the value where there is one, by chance otherwise, the same for all tries of a step. */
function drawn(share: Share, context: RunContext): number {
  const value = share.by === undefined ? undefined : lookup(context.event, share.by);
  if (value !== undefined && value !== null) return hashFraction(typeof value === "string" ? value : stringify(value));
  return context.effectId === "" ? context.ports.random.fraction() : hashFraction(context.effectId);
}

function takeToken(share: Share, bucket: Bucket, nowMs: number): boolean {
  // A clock that was set back fills nothing.
  const passedMs = Math.max(0, nowMs - bucket.atMs);
  bucket.tokens = Math.min(share.burst, bucket.tokens + (passedMs * share.perSecond) / 1000);
  bucket.atMs = nowMs;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

/**
 * A text's place between 0 and 1: FNV-1a with 32 bits over the UTF-16 units, then murmur3's finaliser, since FNV alone
 * leaves texts that differ in their last character side by side. Part of the interface: every worker, host and version
 * copies the same users.
 */
export function hashFraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // njs reads a code point where others read a pair of units.
    if (code > 0xffff) hash = Math.imul(hash ^ (((code - 0x10000) >> 10) | 0xd800), 0x01000193);
    hash = Math.imul(hash ^ (code > 0xffff ? (code & 0x3ff) | 0xdc00 : code), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000;
}
