import { expect, test } from "vitest";
import type { SystemConfig } from "../config/external-systems.ts";
import { missingSecrets } from "./open-systems.ts";
import { newSecrets, resolveFields } from "./secrets.ts";

const target = (name: string, connectionString: string, options = {}): SystemConfig => ({
  type: "ExternalHttp",
  name,
  connectionString,
  options,
});

test("secrets take the place of their references, at any depth, and are covered from then on", () => {
  const secrets = newSecrets({ A: "alpha-secret", B: "beta-secret" });
  const secret = { kind: "secret", doc: "" } as const;
  const fields = {
    key: secret,
    login: { kind: "object", doc: "", fields: { user: { kind: "string", doc: "" }, password: secret } },
    headers: { kind: "map", doc: "", of: secret },
    list: { kind: "list", doc: "", of: secret },
  } as const;
  const config = {
    key: "${env:A}",
    login: { user: "${env:A}", password: "${env:B}" },
    headers: { __proto__x: "${env:B}" },
    list: ["${env:A}", "${env:C}"],
  };
  expect(resolveFields(fields, config, secrets)).toEqual({
    options: {
      key: "alpha-secret",
      login: { user: "${env:A}", password: "beta-secret" }, // a user is no secret: it stands as it is
      headers: { __proto__x: "beta-secret" },
      list: ["alpha-secret", "${env:C}"],
    },
    errors: [{ reference: "${env:C}", error: "the environment has no C", remedy: "set C where agglo is started" }],
  });
  expect(secrets.mask("alpha-secret beta-secret")).toBe("*** ***");
});

test("missing secrets of all systems are named at once", () => {
  const systems = ["ONE", "TWO"].map((name) =>
    target(name, "http://127.0.0.1/", { secretHeaders: { authorization: `\${env:${name}}` } }),
  );
  expect(missingSecrets(systems, newSecrets({})).map(({ reference }) => reference)).toEqual([
    "${env:ONE}",
    "${env:TWO}",
  ]);
});
