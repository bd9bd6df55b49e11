/** A route as the plan holds it: plain data (http.md). */
import type { SelectingPath } from "../event/select.ts";
import type { FaultReason } from "../outcome.ts";
import type { PathGlob } from "./glob.ts";
import type { Reply } from "./reply.ts";

export type RoutePlan = {
  name: string;
  match: MatchPlan;
  request: SectionPlan | undefined;
  response: SectionPlan | undefined;
  /** nginx holds the whole response, so that its content can decide its status; no other host needs that */
  gateway: boolean;
  exchange: ExchangePlan | undefined;
};

/** What runs when an exchange is over, on one event of all of it. */
export type ExchangePlan = {
  /** indexes in plan.pipelines */
  pipelines: number[];
  /** how much of either body goes into the event */
  bodyBytes: number;
};

/** Empty lists match everything. */
export type MatchPlan = {
  /** lower case, `*.` in front for subdomains */
  hosts: string[];
  paths: PathGlob[];
  methods: string[];
  headers: { name: string; value: string }[];
};

export type SectionPlan = {
  direction: "request" | "response";
  /** false: a dry run; everything runs, the message goes on as it came */
  enforce: boolean;
  /** each pipeline gets the event as it came in and none stops another, as in the original's daemon */
  separate: boolean;
  /** indexes in plan.pipelines */
  pipelines: number[];
  /** lower case media types; `application/*+json` matches by suffix */
  contentTypes: string[];
  /** where in a JSON document the events are; undefined: it is one, or an array of them */
  each: SelectingPath | undefined;
  /** what a refused event takes along: the message or itself alone; undefined: as is usual for the body's format */
  batch: "all" | "element" | undefined;
  /** pipelines run on messages without a body too, on an empty event */
  bodyless: boolean;
  /** responses only: "2xx", "404"; empty: any */
  statuses: string[];
  setHeaders: HeaderWrite[];
  removeHeaders: string[];
  metadata: MetadataWrite[];
  limits: Limits;
  /** how each fault is answered; null lets the message pass as it came */
  onFault: { readonly [reason in FaultReason]: Reply | null };
  /** may change the body, the headers or refuse the message: a way around it would matter. No dry run does. */
  guards: boolean;
  changesBody: boolean;
  /** some path reads the host's context */
  readsHttp: boolean;
  /** some path in a response section reads the request's part of it */
  readsRequest: boolean;
};

export type HeaderWrite = {
  name: string;
  /** literal value, or "" when `reference` says where it comes from */
  value: string;
  /** a reserved path, without the braces; "" for a literal */
  reference: string;
};

/** What a section adds to the proxy's metadata. */
export type MetadataWrite = {
  /** in the namespace `agglo` */
  key: string;
  /** a reserved path */
  reference: string;
};

export type Limits = {
  /** of the body as it travels */
  bodyBytes: number;
  /** of the body decoded */
  decodedBytes: number;
  /** levels of nesting */
  depth: number;
  /** for all pipelines of a section together; 0 = none */
  deadlineMs: number;
};

/** Every pipeline that a route runs, as indexes in plan.pipelines. */
export function pipelinesOf(route: RoutePlan): number[] {
  const inSections = (route.request?.pipelines ?? []).concat(route.response?.pipelines ?? []);
  return inSections.concat(route.exchange?.pipelines ?? []);
}
