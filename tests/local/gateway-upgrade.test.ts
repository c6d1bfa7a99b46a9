// Requests to change the protocol where nothing speaks another one.

import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { openGateway } from "../../supabase/local/gateway/mod.ts";

test("a refused upgrade is answered, and a caller who neither stops sending nor leaves keeps no gateway from stopping", async () => {
  const gateway = await openGateway({ port: 0, log: () => {} });
  const caller = connect(gateway.port, "127.0.0.1");
  caller.on("error", () => {}); // cut off at the end
  caller.setEncoding("utf8");
  caller.write("POST /functions/v1/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n");
  const isSent = new Promise((resolve) => caller.write("y".repeat(16 * 1024 * 1024), resolve));
  const [answer] = await once(caller, "data") as [string];
  expect(answer).toContain("HTTP/1.1 404 Not Found");
  await gateway.stop();
  await isSent;
  caller.destroy();
});
