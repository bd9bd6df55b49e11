/** Which process a target's nginx can run, and how: what `binge nginx --explain` prints and what it refuses by. */
import type { Target } from "./targets.ts";

export type Ability = {
  process: string;
  /** "" when it cannot */
  how: string;
  /** when it cannot: why, and what to do instead */
  message: string;
  remedy: string;
};

export const DAEMON = "tee over HTTP to a binge daemon that does";

const CAN: readonly [process: string, how: string][] = [
  ["annotator", "in the worker, on requests and responses"],
  ["transformer", "in the worker; commands (TransformMap, the folds) are refused"],
  ["filter", "fields, and traffic: requests; responses with gateway, or event by event of a stream"],
  ["redactor", "in the worker; the key of an HMAC comes from the environment"],
  ["continuation", "in the worker"],
  ["tee", "ExternalLocalFile: a line per event of an access log; ExternalHttp: "],
];

const CANNOT: readonly [process: string, message: string, remedy: string][] = [
  ["spawner", "nginx runs no commands", DAEMON],
  ["completer", "nginx keeps no joins", DAEMON],
  ["validator", "nginx has no JSON Schema", "write the rules as a filter's condition, or validate in Envoy"],
];

/** Every process the grammar has, as far as the target can. */
export function abilitiesOf(target: Target): Ability[] {
  const sends = target.zones ? "a queue in shared memory (IP address), else a subrequest" : "a detached subrequest";
  const can = CAN.map(([process, how]) => ({
    process,
    how: process === "tee" ? how + sends : how,
    message: "",
    remedy: "",
  }));
  const cannot = CANNOT.map(([process, message, remedy]) => ({ process, how: "", message, remedy }));
  return [...can, aggregator(target), ...cannot];
}

function aggregator(target: Target): Ability {
  if (target.zones) {
    return { process: "aggregator", how: "per host, in memory that its workers share", message: "", remedy: "" };
  }
  const message = "workers of this version share no memory";
  return { process: "aggregator", how: "", message, remedy: `take njs 0.8.9 or later, or ${DAEMON}` };
}

/** undefined: the target runs it. */
export function refusalOfProcess(process: string, target: Target): { message: string; remedy: string } | undefined {
  const ability = abilitiesOf(target).find((one) => one.process === process);
  if (ability === undefined) return { message: `nginx does not run "${process}"`, remedy: DAEMON };
  return ability.how === "" ? ability : undefined;
}
