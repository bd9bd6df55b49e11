// What a user would write in njs for two works of the benchmark (bench/rig/work.ts). Runs on njs 0.7.9.

function refuse(r, status, text) {
  r.headersOut["Content-Type"] = "application/json";
  r.return(status, text);
}

/** The order of a request; undefined: there is none, and the request has been refused. */
function orderOf(r) {
  if (r.headersIn["Content-Type"] !== "application/json") {
    refuse(r, 415, '{"error":"not JSON"}');
    return undefined;
  }
  try {
    return JSON.parse(r.requestText);
  } catch (_error) {
    refuse(r, 400, '{"error":"not JSON"}');
    return undefined;
  }
}

function goOn(r, order) {
  r.variables.by_hand_body = JSON.stringify(order);
  r.internalRedirect("@changed");
}

/** rewrite: a field is added. */
function mark(r) {
  const order = orderOf(r);
  if (order === undefined) return;
  order.priority = "high";
  goOn(r, order);
}

/** guard: an order needs items, card numbers are covered, a field is added. */
function guard(r) {
  const order = orderOf(r);
  if (order === undefined) return;
  const items = order.items;
  if (!Array.isArray(items) || items.length === 0) {
    refuse(r, 422, '{"error":"no items"}');
    return;
  }
  for (let i = 0; i < items.length; i++) {
    const card = items[i].card;
    if (card !== undefined) items[i].card = "*".repeat(card.length - 4) + card.slice(-4);
  }
  order.priority = "high";
  goOn(r, order);
}

// biome-ignore lint/style/noDefaultExport: what njs imports
export default { mark, guard };
