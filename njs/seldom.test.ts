import { expect, test } from "vitest";
import { SELDOM, withSeldomAside } from "./seldom.ts";

const BUNDLED = `var help = (text) => text;

// engine/core/routes/section.ts
var TOLD = ["contentType"];
function faulted(section, reason) {
  return told(reason) ? \`
\${reason}\` : "";
}
function told(reason) {
  return TOLD.indexOf(reason) !== -1;
}
function treat(section) {
  return section ? help("treated") : faulted(section, "contentType");
}

// <stdin>
export default { treat };
`;

async function load(text: string): Promise<{ treat(section: boolean): string }> {
  const module = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  return module.default as { treat(section: boolean): string };
}

test("what is put aside is made when it is entered, and with it what only it uses", async () => {
  const text = withSeldomAside(BUNDLED, false);
  const aside = text.slice(text.indexOf("function makeSeldom"));
  expect(aside).toContain("function told");
  expect(aside).toContain("var TOLD");
  expect(text.slice(0, text.indexOf("function makeSeldom"))).not.toMatch(/told|TOLD/);
  const { treat } = await load(text);
  expect([treat(true), treat(false), treat(false)]).toEqual(["treated", "\ncontentType", "\ncontentType"]);
});

test("a text that names nothing seldom stays as it is", () => {
  const text = "// njs/run.ts\nfunction usual() {}\nexport default { usual };\n";
  expect(withSeldomAside(text, false)).toBe(text);
});

test("every name in the list is a function of its module", async () => {
  for (const [module, names] of Object.entries(SELDOM)) {
    const file = module.startsWith("njs/") ? `../${module}` : `../engine/core/${module.replace(/^core\//, "")}`;
    const exported = await import(/* @vite-ignore */ `${file}.ts?raw`);
    for (const name of names) expect(exported.default).toContain(`function ${name}(`);
  }
});
