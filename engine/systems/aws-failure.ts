/** What AWS's clients throw, as values. Only names: a message may quote what was sent. */
import type { SystemError } from "../core/ports.ts";
import { errorCode, failure } from "./failure.ts";

const THROTTLED = new Set([
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "SlowDown",
  "ThrottlingException",
  "TooManyRequestsException",
]);

/** Over by the next try: somebody else's request, credentials that are read anew, a table that is being made. */
const PASSING = new Set([
  "ConditionalRequestConflict",
  "ExpiredTokenException",
  "OperationAborted",
  "RequestTimeout",
  "TransactionConflictException",
]);

export function awsFailure(doing: string, thrown: unknown): SystemError {
  const name = awsErrorName(thrown);
  const status = awsStatus(thrown);
  if (THROTTLED.has(name)) return failure("throttled", `${name} ${doing}`, true);
  if (name === "CredentialsProviderError") {
    return failure("credentials", `no credentials ${doing}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`, false);
  }
  if (status === 0) {
    const code = errorCode(thrown) || name;
    return failure("unreachable", `${code} ${doing}`, true);
  }
  return failure(name, `${name} (status ${status}) ${doing}`, status >= 500 || status === 429 || PASSING.has(name));
}

export function awsErrorName(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : String(thrown);
}

/** The reply's status; 0: there was none. */
export function awsStatus(thrown: unknown): number {
  const metadata = (thrown as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata;
  return metadata?.httpStatusCode ?? 0;
}
