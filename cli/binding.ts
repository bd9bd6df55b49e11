/** `--request NAME,… --response NAME,…`: what a file without `http` is bound to under a proxy. */
import type { Binding } from "../engine/config/routes.ts";
import type { Plan } from "../engine/core/plan.ts";
import { type Arguments, optionalString } from "./arguments.ts";

export const BINDING_OPTIONS = { request: { type: "string" }, response: { type: "string" } } as const;

export const BINDING_HELP = `--request NAME,… --response NAME,…
                   for a FILE without "http": one route for everything with these pipelines. Without them every
                   pipeline gets every JSON request body, and the traffic is never changed`;

/** Names that nothing has are complained of where the file is read. */
export function bindingOf(parsed: Arguments): Binding {
  const request = names(optionalString(parsed, "request"));
  const response = names(optionalString(parsed, "response"));
  return request.length === 0 && response.length === 0 ? "observe" : { request, response };
}

function names(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** What the traffic gets, in half a sentence. */
export function describeBinding({ routes = [] }: Plan): string {
  if (routes.some((route) => route.request?.separate)) {
    return (
      "no traffic is bound: every pipeline gets every JSON request body and nothing is changed; " +
      'bind pipelines with --request NAME,… --response NAME,… or an "http" section'
    );
  }
  return `routes ${routes.map((route) => route.name).join(", ")}`;
}
