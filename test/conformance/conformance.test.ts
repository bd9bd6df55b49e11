import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TRANSPORTS } from "../../extproc/transports.ts";
import { connect, type Server } from "./client.ts";
import { type OwnServer, startOwnServer } from "./own-server.ts";
import { anyServerScenarios, OWN_PATHS, ownScenarios } from "./suite.ts";

describe.each(TRANSPORTS)("on %s", (transport) => {
  let own: OwnServer;
  let server: Server;
  beforeAll(async () => {
    own = await startOwnServer(transport);
    server = await connect(own.address);
  });
  afterAll(async () => {
    server.close();
    await own.stop();
    expect(own.bugs).toEqual([]);
  });

  for (const path of OWN_PATHS) {
    for (const scenario of anyServerScenarios(path)) test(scenario.name, () => scenario.run(server));
  }
  for (const scenario of ownScenarios()) test(scenario.name, () => scenario.run(server, own));
});
