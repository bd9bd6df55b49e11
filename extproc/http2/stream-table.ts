import { Stream } from "./stream.ts";

/** Entries to begin with; doubled when half full. */
const CAPACITY_MIN = 64;

/**
 * The streams of a connection that are not closed, by id: a hash table with linear probing, and the pool of slots. Ids
 * count up in twos (RFC 9113 section 5.1.1), so half an id is a hash without collisions until one stream outlives a
 * thousand others. A Map would do, at twice the price and with garbage for every few streams.
 */
export class StreamTable {
  active = 0;
  private entries: (Stream | undefined)[] = new Array(CAPACITY_MIN).fill(undefined);
  private mask = CAPACITY_MIN - 1;
  private readonly free: Stream[] = [];

  find(id: number): Stream | undefined {
    for (let i = (id >>> 1) & this.mask; ; i = (i + 1) & this.mask) {
      const stream = this.entries[i];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** Takes a slot for a stream that is not in the table. */
  add(id: number, sendWindow: number, recvWindow: number): Stream {
    if (this.active * 2 >= this.entries.length) this.grow();
    const stream = this.free.pop() ?? new Stream();
    stream.open(id, sendWindow, recvWindow);
    this.insert(stream);
    this.active++;
    return stream;
  }

  /** Takes the stream out; its slot is not used again before `release`. */
  remove(stream: Stream): void {
    let hole = (stream.id >>> 1) & this.mask;
    while (this.entries[hole] !== stream) {
      if (this.entries[hole] === undefined) throw new Error("a stream leaves that is not there"); // a bug of ours
      hole = (hole + 1) & this.mask;
    }
    // Whoever was pushed past the hole moves up, or nobody would find it any more.
    for (let i = (hole + 1) & this.mask; ; i = (i + 1) & this.mask) {
      const next = this.entries[i];
      if (next === undefined) break;
      const home = (next.id >>> 1) & this.mask;
      if (((i - home) & this.mask) >= ((i - hole) & this.mask)) {
        this.entries[hole] = next;
        hole = i;
      }
    }
    this.entries[hole] = undefined;
    this.active--;
  }

  /** Gives back a slot that nobody refers to any more. */
  release(stream: Stream): void {
    stream.clear();
    this.free.push(stream);
  }

  /** All of them, as they are now: whoever walks the list may close some. */
  list(): Stream[] {
    return this.entries.filter((stream) => stream !== undefined);
  }

  private insert(stream: Stream): void {
    let i = (stream.id >>> 1) & this.mask;
    while (this.entries[i] !== undefined) i = (i + 1) & this.mask;
    this.entries[i] = stream;
  }

  private grow(): void {
    const streams = this.list();
    const capacity = this.entries.length * 2;
    this.entries = new Array(capacity).fill(undefined);
    this.mask = capacity - 1;
    for (const stream of streams) this.insert(stream);
  }
}
