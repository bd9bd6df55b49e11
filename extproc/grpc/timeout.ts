// grpc-timeout (PROTOCOL-HTTP2.md, "Timeout"): at most eight digits and a unit.

const UNIT_MS: { [unit: string]: number } = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds, rounded up; undefined if it is no timeout. */
export function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match === null ? undefined : Math.ceil(Number(match[1]) * (UNIT_MS[match[2] as string] as number));
}
