/** A progress bar on standard error where that is a terminal; anywhere else only the lines that are said. */

const WIDTH = 30;
/** A terminal over a slow line must not slow down the work. */
const DRAW_EVERY_MS = 100;
const CLEAR_LINE = "\r\u001b[K";

export type Progress = {
  /** So much more of the total is done. */
  advance(by: number): void;
  /** Writes to stderr what is to stay there, above the bar. */
  say(text: string): void;
  /** Takes the bar away. */
  end(): void;
};

export type Terminal = { readonly isTTY?: boolean; write(text: string): unknown };

/** `total` 0: unknown, no bar. `shown`: false where something else writes to the same terminal. */
export function newProgress(total: number, shown: boolean, terminal: Terminal = process.stderr): Progress {
  if (total === 0 || !shown || terminal.isTTY !== true) {
    return { advance: () => {}, say: (text) => void terminal.write(text), end: () => {} };
  }
  let done = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    advance(by) {
      done += by;
      const nowMs = performance.now();
      if (nowMs - drawnMs < DRAW_EVERY_MS) return;
      drawnMs = nowMs;
      terminal.write(CLEAR_LINE + bar(Math.min(done / total, 1)));
    },
    say: (text) => void terminal.write(CLEAR_LINE + text),
    end: () => void terminal.write(CLEAR_LINE),
  };
}

function bar(part: number): string {
  const full = Math.floor(part * WIDTH);
  return `[${"#".repeat(full)}${"-".repeat(WIDTH - full)}] ${Math.floor(part * 100)} %`;
}
