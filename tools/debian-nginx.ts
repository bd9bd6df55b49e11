/**
 * Debian 12's nginx 1.22.1 with njs 0.7.9, unpacked from its packages into .tools/: nothing is installed, no root is
 * needed. The oldest nginx that `binge nginx` writes for, and built for speed, as the wheel of nginx 1.31.3 is not.
 *
 * $NGINX_DEBIAN may name the folder of an unpacked copy. Elsewhere than on Debian 12 there is none.
 */
import { mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram } from "./run-program.ts";

export type DebianNginx = { program: string; module: string };
/** `expected`: it should be there, and CI fails without it. */
export type Missing = { missing: string; expected: boolean };

const PACKAGES = ["nginx", "libnginx-mod-http-js", "njs"];
const TIMEOUT_MS = 120_000;

/** The program and its njs module, fetched if need be; or why there is none, in a sentence. */
export async function debianNginx(): Promise<DebianNginx | Missing> {
  const wanted = process.env.NGINX_DEBIAN;
  if (wanted !== undefined && wanted !== "") return (await found(wanted)) ?? missing(`no nginx in ${wanted}`);
  const tools = fileURLToPath(new URL("../.tools", import.meta.url));
  const folder = join(tools, "nginx-debian");
  const there = await found(folder);
  if (there !== undefined) return there;
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (!/^VERSION_CODENAME=bookworm$/m.test(release)) return { missing: "this is no Debian 12", expected: false };
  const scratch = await mkdtemp(join(tools, ".fetching-nginx-debian-"));
  try {
    const wrong = await unpack(scratch);
    if (wrong !== "") return missing(`its packages cannot be had: ${wrong}`);
    // Another process may have been faster: its copy is as good.
    await rename(scratch, folder).catch(() => undefined);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return (await found(folder)) ?? missing("its packages hold no nginx");
}

function missing(why: string): Missing {
  return { missing: why, expected: true };
}

async function found(root: string): Promise<DebianNginx | undefined> {
  const program = join(root, "usr/sbin/nginx");
  const module = join(root, "usr/lib/nginx/modules/ngx_http_js_module.so");
  const isThere = await Promise.all(
    [program, module].map((file) =>
      stat(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  return isThere.every(Boolean) ? { program, module } : undefined;
}

/** "" or what went wrong. */
async function unpack(folder: string): Promise<string> {
  const inFolder = `cd "$0" && apt-get -q download ${PACKAGES.join(" ")}`;
  const download = await runProgram("sh", ["-c", inFolder, folder], process.env, TIMEOUT_MS);
  if (download.code !== 0) return download.output.trim().split("\n").at(-1) ?? "apt-get said nothing";
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".deb")) continue;
    const { code, output } = await runProgram("dpkg", ["-x", join(folder, name), folder], process.env, TIMEOUT_MS);
    if (code !== 0) return output.trim();
    await rm(join(folder, name));
  }
  return "";
}
