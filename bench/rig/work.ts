/** The work every variant does: a JSON body of 1 KB gains one field. */

/** The path the route of AGGLO_CONFIG matches. */
export const PATH = "/orders/1";

const ITEMS = Array.from({ length: 9 }, (_, i) => ({
  sku: `sku-${1000 + i}`,
  title: `item number ${i}, of the usual kind`,
  quantity: i + 1,
  price: 12.5 * (i + 1),
}));

/** 1,024 bytes and ASCII, an object of some depth, like an order of a shop. */
export const BODY = padded({ id: 4711, customer: { name: "Ann Example", mail: "ann@example.test" }, items: ITEMS });

function padded(order: object): string {
  const text = JSON.stringify({ ...order, note: "" });
  return `${text.slice(0, -2)}${"n".repeat(1024 - text.length)}"}`;
}

/** What must reach the upstream, to the byte: everything else as it was, the field at the end. */
export const CHANGED_BODY = `${BODY.slice(0, -1)},"priority":"high"}`;

/** The configuration of our own server. The Go peer has the same edit in its code. */
export const AGGLO_CONFIG = JSON.stringify({
  pipelines: [{ name: "mark", processes: [{ name: "mark-high" }] }],
  processDefinitions: [
    { annotator: { name: "mark-high", annotations: [{ fieldKey: "priority", value: "high" }], onExists: "overwrite" } },
  ],
  http: {
    version: 1,
    routes: [
      {
        name: "orders",
        match: { paths: ["/orders/**"], methods: ["POST"] },
        request: { pipelines: ["mark"] },
      },
    ],
  },
});
