/** What a fault of a message becomes, section by section (http.md, the table under "Faults"). */
import type { Compiler } from "../compiler.ts";
import type { ConfigOf, Field } from "../definition.ts";
import type { DocumentPath } from "../diagnostic.ts";
import { FAULT_REASONS, type FaultReason } from "../outcome.ts";
import type { Reply } from "./reply.ts";
import { compileReply, REPLY_FIELDS } from "./reply-config.ts";

/** Default status per reason; 0 passes even where rules guard traffic. */
const REQUEST_STATUS: { readonly [reason in FaultReason]: number } = {
  contentType: 415,
  unparsable: 400,
  ambiguous: 400,
  tooLarge: 413,
  timeout: 504,
  overload: 503,
  error: 500,
};
const RESPONSE_STATUS: { readonly [reason in FaultReason]: number } = {
  contentType: 0,
  unparsable: 502,
  ambiguous: 502,
  tooLarge: 502,
  timeout: 504,
  overload: 503,
  error: 502,
};

const REJECT_FIELD = {
  kind: "object",
  fields: REPLY_FIELDS,
  doc: "Answer instead of passing the message on.",
} as const;

/** `"pass"`, `{ "reject": { … } }`, or one of these per reason; told apart in compileFaultPolicy. */
export const ON_FAULT_FIELD = {
  kind: "any",
  doc: 'What becomes of a message that cannot be treated: "pass", {"reject": {…}}, or one of these per reason.',
} as const;

/** The form of one policy, for the checker in engine/config. */
export const POLICY_FIELDS = { reject: REJECT_FIELD } as const;
export const POLICY: Field = { kind: "object", fields: POLICY_FIELDS, doc: "A fault's policy." };

export type PolicyConfig = "pass" | ConfigOf<typeof POLICY_FIELDS>;
/** As engine/config hands it over: checked, spread over the reasons. */
export type FaultPolicyConfig = { [reason in FaultReason]?: PolicyConfig };

export function compileFaultPolicy(
  compiler: Compiler,
  config: FaultPolicyConfig,
  direction: "request" | "response",
  guards: boolean,
  at: DocumentPath,
): { [reason in FaultReason]: Reply | null } {
  const table = direction === "request" ? REQUEST_STATUS : RESPONSE_STATUS;
  const policy = {} as { [reason in FaultReason]: Reply | null }; // filled for every reason below
  for (let i = 0; i < FAULT_REASONS.length; i++) {
    const reason = FAULT_REASONS[i] as FaultReason;
    const chosen = config[reason];
    const status = table[reason] === 0 ? 502 : table[reason];
    if (chosen === "pass" || (chosen === undefined && (!guards || table[reason] === 0))) policy[reason] = null;
    else policy[reason] = compileReply(compiler, chosen?.reject, status, reason, at.concat("reject"));
  }
  return policy;
}
