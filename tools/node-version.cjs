// Says in one sentence that the Node behind npm's scripts is too old, instead of a syntax error about types.
// Plain CommonJS, and no newer syntax than it needs: this must run on the very Node it complains about.
const major = Number(process.versions.node.split(".")[0]);

if (major < 24) {
  console.error(
    "agglo needs Node 24 and npm's scripts get " +
      process.version +
      " here: run `npm ci` without --ignore-scripts (it brings Node 24 along), or install Node 24.",
  );
  process.exit(69);
}
