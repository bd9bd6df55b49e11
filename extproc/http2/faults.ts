import { Allowance } from "./allowance.ts";
import { Closed, type ClosedStreams } from "./closed-streams.ts";
import { ErrorCode } from "./constants.ts";
import type { Http2Limits } from "./limits.ts";
import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";

/**
 * What the peer did wrong, and how often it did something useless. An error has one of two scopes (RFC 9113 section 5.4):
 * its stream, which is reset, or the connection, which is closed at the end of the turn.
 */
export class Faults {
  /** The connection's error; the first one counts. */
  code: ErrorCode | undefined = undefined;
  why = "";
  private readonly idleFrames: Allowance;
  private readonly fruitlessResets: Allowance;
  private readonly sender: Sender;
  private readonly closed: ClosedStreams;
  private readonly stopReading: () => void;

  constructor(limits: Http2Limits, sender: Sender, closed: ClosedStreams, stopReading: () => void) {
    this.idleFrames = new Allowance(limits.idleFrames, limits.idleFramesPerSecond);
    this.fruitlessResets = new Allowance(limits.fruitlessResets, limits.fruitlessResetsPerSecond);
    this.sender = sender;
    this.closed = closed;
    this.stopReading = stopReading;
  }

  /** RFC 9113 section 5.4.1: everything stops. `why` goes out in GOAWAY. */
  connection(code: ErrorCode, why: string): void {
    if (this.code !== undefined) return;
    this.code = code;
    this.why = why;
    this.stopReading();
  }

  wrongSize(frame: string): void {
    this.connection(ErrorCode.FRAME_SIZE_ERROR, `${frame} of a wrong size`);
  }

  /** RFC 9113 section 5.4.2. */
  stream(stream: Stream, code: ErrorCode): void {
    this.sender.reset(stream, code);
    this.countReset();
  }

  /** The same for a stream that is not there. Its other frames are ignored from now on. */
  absentStream(streamId: number, code: ErrorCode): void {
    this.sender.writeReset(streamId, code);
    this.closed.add(streamId, Closed.byUs);
    this.countReset();
  }

  /** A stream ended before it did any work, by whomever (CVE-2023-44487, CVE-2025-8671). */
  countReset(): void {
    if (!this.fruitlessResets.take()) this.connection(ErrorCode.ENHANCE_YOUR_CALM, "streams reset before any work");
  }

  /** A frame that carried nothing forward. */
  countIdleFrame(): void {
    if (!this.idleFrames.take()) this.connection(ErrorCode.ENHANCE_YOUR_CALM, "frames without use");
  }

  /** A frame that did; it makes up for two of the others. */
  countUsefulFrame(): void {
    this.idleFrames.earn(2);
  }
}
