// What a user would write in njs for the same work as bench/rig/nginx.ts's configuration: an order needs items, card
// numbers are covered, a field is added; what cannot be read is refused. Runs on njs 0.7.9.

function refuse(r, status, text) {
  r.headersOut["Content-Type"] = "application/json";
  r.return(status, text);
}

function request(r) {
  if (r.headersIn["Content-Type"] !== "application/json") {
    refuse(r, 415, '{"error":"not JSON"}');
    return;
  }
  let order;
  try {
    order = JSON.parse(r.requestText);
  } catch (_error) {
    refuse(r, 400, '{"error":"not JSON"}');
    return;
  }
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
  r.variables.by_hand_body = JSON.stringify(order);
  r.internalRedirect("@changed");
}

// biome-ignore lint/style/noDefaultExport: what njs imports
export default { request };
