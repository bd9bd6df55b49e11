import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AssemblyBudget, EnvelopeReader, Fault } from "./envelope.ts";

function envelope(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

/** Feeds pieces as they come off DATA frames. */
function readAll(reader: EnvelopeReader, pieces: Buffer[]): Buffer[] {
  const messages: Buffer[] = [];
  for (const piece of pieces) {
    reader.begin(0);
    for (let next = reader.next(piece, piece.length); next !== undefined; next = reader.next(piece, piece.length)) {
      messages.push(next);
    }
  }
  return messages;
}

const MIB = 1024 * 1024;
const newReader = (messageBytesMax = MIB, budgetBytes = 10 * MIB) =>
  new EnvelopeReader(messageBytesMax, new AssemblyBudget(budgetBytes));

describe("messages", () => {
  it("are views where they lie in one piece", () => {
    const bytes = Buffer.concat([envelope(Buffer.from("one")), envelope(Buffer.from("two"))]);
    const messages = readAll(newReader(), [bytes]);
    expect(messages.map(String)).toEqual(["one", "two"]);
    expect(messages.every((message) => message.buffer === bytes.buffer)).toBe(true);
  });

  it("are views also when the piece before ended with the prefix", () => {
    const bytes = envelope(Buffer.from("one"));
    const [message] = readAll(newReader(), [bytes.subarray(0, 5), bytes.subarray(5)]);
    expect([String(message), message?.buffer === bytes.buffer]).toEqual(["one", true]);
  });

  it("come out whole however they are cut", () => {
    const lists = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(lists, cuts, (list, sizes) => {
        const budget = new AssemblyBudget(1000);
        const reader = new EnvelopeReader(1000, budget);
        const bytes = Buffer.concat(list.map((message) => envelope(message)));
        const pieces: Buffer[] = [];
        for (let pos = 0, i = 0; pos < bytes.length; i++) {
          const size = sizes[i % sizes.length] as number;
          pieces.push(bytes.subarray(pos, pos + size));
          pos += size;
        }
        expect(readAll(reader, pieces)).toEqual(list.map((message) => Buffer.from(message)));
        expect([reader.isIdle, reader.fault, budget.leftBytes]).toEqual([true, Fault.none, 1000]);
      }),
    );
  });
});

describe("faults", () => {
  it("of a compressed message and of one that is too large show at the prefix", () => {
    const compressed = newReader();
    expect(readAll(compressed, [envelope(Buffer.from("x"), 1)])).toEqual([]);
    expect(compressed.fault).toBe(Fault.compressed);
    const large = newReader(1000);
    expect(readAll(large, [envelope(Buffer.alloc(0), 0, 1001)])).toEqual([]);
    expect(large.fault).toBe(Fault.tooLarge);
    const huge = newReader();
    readAll(huge, [envelope(Buffer.alloc(0), 0, 0xffff_ffff)]);
    expect(huge.fault).toBe(Fault.tooLarge);
  });

  it("a promised megabyte costs what has come of it, and the budget is given back", () => {
    const budget = new AssemblyBudget(10 * MIB);
    const reader = new EnvelopeReader(MIB, budget);
    readAll(reader, [envelope(Buffer.from("x"), 0, MIB)]);
    expect(10 * MIB - budget.leftBytes).toBe(64 * 1024);
    readAll(reader, [Buffer.alloc(100_000)]);
    expect(10 * MIB - budget.leftBytes).toBe(256 * 1024);
    reader.clear();
    expect(budget.leftBytes).toBe(10 * MIB);
  });

  it("a budget that is used up fails the message that asks for more, not the others", () => {
    const budget = new AssemblyBudget(100_000);
    const first = new EnvelopeReader(MIB, budget);
    const second = new EnvelopeReader(MIB, budget);
    readAll(first, [envelope(Buffer.from("x"), 0, 70_000)]);
    readAll(second, [envelope(Buffer.from("x"), 0, 70_000)]);
    expect([first.fault, second.fault]).toEqual([Fault.none, Fault.noMemory]);
    second.clear();
    expect(readAll(first, [Buffer.alloc(69_999)])[0]?.length).toBe(70_000);
    expect(budget.leftBytes).toBe(100_000);
  });
});
