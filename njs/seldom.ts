/**
 * What a usual request does not enter, put aside: njs makes every function of a module anew for every request, which takes
 * as long as calling it. So the rest of the bundle stands inside one function, `seldom`, that makes it when it is entered;
 * each of its functions that others call is there by its name, and goes by way of `seldom`.
 *
 *   function faulted(section, reason, detail) { … }   becomes   function faulted(section, reason, detail) {
 *                                                                 return seldom().faulted(section, reason, detail);
 *                                                               }
 *
 * It reads what esbuild writes: a statement of the top level begins with a word that is not indented.
 */

/** By module: where the usual way ends. What only these lead to is put aside with them. */
export const SELDOM: { [module: string]: readonly string[] } = {
  "njs/parse": ["refused", "checked", "depthOf"],
  "njs/request": ["large"],
  "njs/run": ["answer", "broken", "matchedRoute", "tooLarge"],
  "njs/status": ["status"],
  "condition/evaluate": ["landingOf", "matchesVariable", "mismatch"],
  "core/context": ["fault", "retryableFault"],
  "core/pipeline": ["goOn"],
  "event/json": ["copyWithout", "typeName"],
  "event/select": ["replaceElement"],
  "routes/reply": ["problemReply"],
  "routes/section": ["faulted", "treatBodyless"],
};

/** Where every message is one object. */
const SELDOM_LISTS: typeof SELDOM = {
  "body/json": ["jsonBody"],
  "routes/section": ["faulted", "treatBodyless", "treatBody"],
};

type Statement = { text: string; name: string; parameters: string; isSeldom: boolean };

/** The text of a bundle, unminified, with its seldom parts inside `seldom`. `lists`: some bodies are lists of events. */
export function withSeldomAside(text: string, lists: boolean): string {
  const statements = readStatements(text, lists ? SELDOM : { ...SELDOM, ...SELDOM_LISTS });
  const names = new Map(statements.map((one) => [one.name, one]));
  const usual = new Set<Statement>();
  const doors = new Set<Statement>();
  const queue = statements.filter(({ name }) => name === "");
  for (const one of queue) {
    if (usual.has(one)) continue;
    usual.add(one);
    for (const name of mentions(one.text)) {
      const other = names.get(name);
      if (other?.isSeldom === true) doors.add(other);
      else if (other !== undefined) queue.push(other);
    }
  }
  const aside = statements.filter((one) => !usual.has(one));
  if (doors.size === 0) return text;
  const outside = statements.map((one) =>
    usual.has(one) ? one.text : doors.has(one) ? door(one, [...doors].indexOf(one)) : "",
  );
  return [
    outside.join(""),
    "let seldomMade;",
    "function seldom() { return seldomMade === undefined ? (seldomMade = makeSeldom()) : seldomMade; }",
    `function makeSeldom() {\n${aside.map((one) => one.text).join("")}`,
    `return { ${[...doors].map(({ name }, i) => `_${i}: ${name}`).join(", ")} };\n}`,
  ].join("\n");
}

function door({ name, parameters }: Statement, index: number): string {
  return `function ${name}(${parameters}) { return seldom()._${index}(${parameters}); }\n`;
}

// Were a line inside a template to begin like this, esbuild would refuse what comes out.
const BEGINS = /^(?=(?:async function|function|var|let|const|import|export|[\w$]+\.prototype) )/m;
const DECLARES = /^(?:function|var|let|const) ([\w$]+)(?:\(([^)]*)\))?/;

function readStatements(text: string, seldom: typeof SELDOM): Statement[] {
  // Behind a comment with its file's name stands each module; what helps all of them stands before the first.
  return `// \n${text}`.split(/^\/\/ (?=$|.*\.[tj]s$)/m).flatMap((module) => {
    const [file = ""] = module.split(/(?:\.[tj]s)?$/m, 1);
    const names = Object.entries(seldom).find(([name]) => `/${file}`.endsWith(`/${name}`))?.[1] ?? [];
    const statements = module.slice(module.indexOf("\n") + 1).split(BEGINS);
    return statements.map((statement) => {
      const [, name = "", parameters = ""] = DECLARES.exec(statement) ?? [];
      // esbuild adds a number to a name that several modules have.
      return { text: statement, name, parameters, isSeldom: names.includes(name.replace(/\d+$/, "")) };
    });
  });
}

/** Words that may name what a module declares; a member's name is none. */
function mentions(text: string): Set<string> {
  return new Set(text.match(/(?<![\w$.])[A-Za-z_$][\w$]*/g));
}
