/** The nginx versions that `binge nginx` writes for, and what each can do (docs/adr/0008 says how that was found out). */

export type Target = {
  name: string;
  /** of the JavaScript: what njs's own engine parses, or QuickJS */
  flavour: "njs" | "qjs";
  /** deepest JSON that the engine's own parser takes; 0: deeper than any limit here */
  jsonDepth: number;
  /** memory that workers share (js_shared_dict_zone), and js_periodic */
  zones: boolean;
  /** what users have it from */
  comesWith: string;
};

export const TARGETS: readonly Target[] = [
  { name: "njs-0.7.9", flavour: "njs", jsonDepth: 31, zones: false, comesWith: "Debian 12 (nginx 1.22.1)" },
  { name: "njs-0.8.9", flavour: "njs", jsonDepth: 31, zones: true, comesWith: "Debian 13 (nginx 1.26.3)" },
  { name: "njs-0.9.9", flavour: "njs", jsonDepth: 31, zones: true, comesWith: "nginx 1.31.3" },
  { name: "njs-1.0.2", flavour: "njs", jsonDepth: 31, zones: true, comesWith: "nginx 1.30.6" },
  { name: "qjs-1.0.2", flavour: "qjs", jsonDepth: 0, zones: true, comesWith: "nginx 1.30.6, js_engine qjs" },
];

/** Of routes whatever the engine: one file, one limit. */
export const DEPTH_MAX = 31;

export function findTarget(name: string): Target | undefined {
  return TARGETS.find((target) => target.name === name);
}
