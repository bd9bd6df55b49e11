/** The two rules that most of these tests look at: what has a secret is refused, a card number is covered. */
export const GUARDS = {
  pipelines: [
    { name: "refuse", processes: [{ name: "no-secrets" }] },
    { name: "cover", processes: [{ name: "cover-cards" }] },
  ],
  processDefinitions: [
    { filter: { name: "no-secrets", condition: { exists: { ops: [{ key: "secret" }] } } } },
    { redactor: { name: "cover-cards", rules: [{ paths: ["**.card"], mask: { keepLast: 4 } }] } },
  ],
};
