/** The messages of the benchmark: orders of a shop as JSON, of the sizes that are compared. All are ASCII. */

/** In bytes: 0.2, 1, 16, 100 KB, 1 MB. */
export const SIZES = [200, 1024, 16_384, 102_400, 1_000_000] as const;
export type Size = (typeof SIZES)[number];

export const SIZE_TITLES: { readonly [size in Size]: string } = {
  200: "0.2 KB",
  1024: "1 KB",
  16384: "16 KB",
  102400: "100 KB",
  1000000: "1 MB",
};

type Item = { sku: string; title: string; quantity: number; price: number };
type Order = { id: number; customer: { name: string; mail: string }; items: Item[]; note: string };

/** What makes an item 100 bytes long at most, comma included: a body has as many as fit. */
const ITEM_BYTES_MAX = 100;
const EMPTY: Order = { id: 4711, customer: { name: "Ann Example", mail: "ann@example.test" }, items: [], note: "" };

function newItem(i: number): Item {
  return {
    sku: `sku-${1000 + i}`,
    title: `item number ${i}, of the usual kind`,
    quantity: (i % 9) + 1,
    price: 12.5 * ((i % 9) + 1),
  };
}

/** An order of exactly so many bytes: items, and a note that takes what is left. */
function newOrder(bytes: number): Order {
  const count = Math.floor((bytes - JSON.stringify(EMPTY).length) / ITEM_BYTES_MAX);
  const order = { ...EMPTY, items: Array.from({ length: count }, (_, i) => newItem(i)) };
  return { ...order, note: "n".repeat(bytes - JSON.stringify(order).length) };
}

export function orderText(bytes: number): string {
  return JSON.stringify(newOrder(bytes));
}

/** The same to the byte, with one more field at the end. */
export function marked(text: string): string {
  return `${text.slice(0, -1)},"priority":"high"}`;
}

/** The order with its customer's mail and its article numbers covered. */
export function redactedText(bytes: number): string {
  const order = newOrder(bytes);
  const cover = (text: string, keepFirst: number) => text.slice(0, keepFirst) + "*".repeat(text.length - keepFirst);
  const items = order.items.map((item) => ({ ...item, sku: cover(item.sku, 4) }));
  return JSON.stringify({ ...order, customer: { ...order.customer, mail: cover(order.customer.mail, 3) }, items });
}

/** Orders of 1 KB, line break included, one a line. */
export function orderLines(count: number): string {
  return `${orderText(1023)}\n`.repeat(count);
}

export function markedLines(count: number): string {
  return `${marked(orderText(1023))}\n`.repeat(count);
}
