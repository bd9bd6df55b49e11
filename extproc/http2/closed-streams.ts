/** Closed how, which decides what a late frame is (RFC 9113 section 5.1, "closed"). */
export const Closed = {
  /** Never heard of, or long forgotten. */
  unknown: 0,
  /** Both sides ended it, or the peer reset it: it may send nothing more. */
  byPeer: 1,
  /** We reset it: what the peer had sent before it knew is ignored. */
  byUs: 2,
} as const;
export type Closed = (typeof Closed)[keyof typeof Closed];

/** Late frames are late by a round trip: this many streams close in one only at a million a second. */
const REMEMBERED = 256;

/** The streams closed last. Looked at only when a frame comes for a stream that is not there. */
export class ClosedStreams {
  private readonly ids = new Int32Array(REMEMBERED);
  private readonly how = new Uint8Array(REMEMBERED);
  private next = 0;

  add(id: number, how: Closed): void {
    this.ids[this.next] = id;
    this.how[this.next] = how;
    this.next = (this.next + 1) % REMEMBERED;
  }

  find(id: number): Closed {
    const place = this.ids.indexOf(id);
    return place < 0 ? Closed.unknown : (this.how[place] as Closed);
  }
}
