/** The files that a server's configuration is made of: read together, watched together, read anew together. */
import type { Plan } from "../engine/core/plan.ts";
import type { ReadOptions } from "../engine/runtime/configuration.ts";
import { newFileWatch } from "../engine/runtime/file-watch.ts";
import type { Candidate } from "../engine/runtime/generations.ts";
import type { TlsOptions } from "../engine/runtime/listen.ts";
import { newSecrets } from "../engine/runtime/secrets.ts";
import type { Log } from "../engine/runtime/standing.ts";
import { readCandidate } from "./configuration.ts";
import { readTls, type TlsFiles } from "./tls.ts";

export type SourceOptions = {
  file: string;
  read: Pick<ReadOptions, "bind">;
  tls: TlsFiles | undefined;
  /** the reference of a secret that clients have to show; undefined: there is none */
  token: string | undefined;
  log: Log;
  /** told that one of the files is another now */
  onChange(): void;
  /** told of every plan that comes into use */
  applied(plan: Plan): void;
};

export type Source = {
  load(): Candidate;
  /** the certificates in use */
  tls(): TlsOptions;
  /** the token in use */
  token(): string | undefined;
  close(): void;
};

/** How often files are looked at for changes. */
const WATCH_MS = 1000;

export function newSource(options: SourceOptions): Source {
  const { file, tls: files, log } = options;
  const watch = newFileWatch(WATCH_MS, options.onChange);
  const secrets = newSecrets(process.env);
  let tls: TlsOptions | undefined;
  let token: string | undefined;
  return {
    load() {
      watch.reset();
      for (const name of [file, ...namesOf(files)]) watch.add(name);
      const candidate = readCandidate(file, { ...options.read, onFile: watch.add }, (line) => log("warn", line));
      if ("complaints" in candidate) return candidate;
      const references = options.token === undefined ? [] : [options.token];
      // Those of the plan are read when it is put to work.
      for (const name of secretFiles([...candidate.plan.secrets, ...references])) watch.add(name);
      const shown = options.token === undefined ? undefined : secrets.resolve(options.token);
      if (shown !== undefined && "error" in shown) return { complaints: `--token: ${shown.error}; ${shown.remedy}` };
      const certificate = files === undefined ? undefined : readTls(files, Date.now());
      if (certificate !== undefined && "error" in certificate) return { complaints: certificate.error };
      return {
        ...candidate,
        applied() {
          tls = certificate?.tls;
          token = shown?.value;
          options.applied(candidate.plan);
        },
      };
    },
    tls() {
      if (tls === undefined) throw new Error("TLS is used that was not asked for"); // our own bug
      return tls;
    },
    token: () => token,
    close: () => watch.close(),
  };
}

function namesOf(tls: TlsFiles | undefined): string[] {
  if (tls === undefined) return [];
  return tls.clientCa === undefined ? [tls.cert, tls.key] : [tls.cert, tls.key, tls.clientCa];
}

/** Of references like `${file:/run/secrets/key}`. */
function secretFiles(references: readonly string[]): string[] {
  return references.flatMap((reference) => /^\$\{file:([^}]+)\}$/.exec(reference)?.slice(1) ?? []);
}
