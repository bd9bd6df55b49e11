/** `onFault` has two forms: one policy for every reason, or one per reason. Both become one per reason here. */
import type { DocumentPath, Report } from "../core/diagnostic.ts";
import { complain } from "../core/diagnostic.ts";
import { FAULT_REASONS, type FaultReason } from "../core/outcome.ts";
import { type FaultPolicyConfig, POLICY, type PolicyConfig } from "../core/routes/fault-policy.ts";
import { type CheckContext, checkField } from "./check.ts";
import { suggest } from "./suggest.ts";

export function spreadOnFault(value: unknown, at: DocumentPath, context: CheckContext): FaultPolicyConfig {
  const policies: { [reason in FaultReason]?: PolicyConfig } = {};
  if (value === undefined) return policies;
  if (value === "pass" || isReject(value)) {
    const policy = checkPolicy(value, at, context);
    for (const reason of FAULT_REASONS) if (policy !== undefined) policies[reason] = policy;
    return policies;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    wrongPolicy(context.report, at);
    return policies;
  }
  for (const [name, policy] of Object.entries(value)) {
    const reason = FAULT_REASONS.find((known) => known === name);
    if (reason === undefined) {
      const remedy = suggest(name, FAULT_REASONS) || `the reasons are ${FAULT_REASONS.join(", ")}`;
      complain(context.report, "E_UNKNOWN_FIELD", [...at, name], `no fault is called "${name}"`, remedy);
      continue;
    }
    const checked = checkPolicy(policy, [...at, name], context);
    if (checked !== undefined) policies[reason] = checked;
  }
  return policies;
}

function isReject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "reject");
}

function checkPolicy(value: unknown, at: DocumentPath, context: CheckContext): PolicyConfig | undefined {
  if (value === "pass") return value;
  // checkField answers exactly what POLICY describes
  if (isReject(value)) return checkField(POLICY, value, at, context) as PolicyConfig | undefined;
  wrongPolicy(context.report, at);
  return undefined;
}

function wrongPolicy(report: Report, at: DocumentPath): void {
  complain(
    report,
    "E_VALUE",
    at,
    "this says nothing of what becomes of the message",
    'write "pass" or {"reject": {"status": 400}}',
  );
}
