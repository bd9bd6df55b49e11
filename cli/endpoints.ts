/** Where the server processes of one `--listen` are reached: `extproc` listens there and `envoy` connects there. */
import { Ending, Exit } from "./exit.ts";

export const PROCESSES_MAX = 64;
const PORT_MAX = 65_535;

/** The first as given; of a port the next ones (0 stays 0: any free one), of a path the path with a number behind. */
export function endpointsOf(verb: string, address: string, processes: number): string[] {
  if (address.startsWith("unix:")) {
    return Array.from({ length: processes }, (_, i) => (i === 0 ? address : `${address}.${i}`));
  }
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  if (port !== 0 && port + processes - 1 > PORT_MAX) {
    throw new Ending(Exit.usage, `binge ${verb}: ${processes} processes from port ${port} on go beyond ${PORT_MAX}`);
  }
  return Array.from({ length: processes }, (_, i) => `${address.slice(0, colon + 1)}${port === 0 ? 0 : port + i}`);
}
