// Listening on 127.0.0.1: the wished port, or the next free one with one line that says so.

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "./log.ts";

const PORTS_TRIED = 50;

/** Binds `server`; answers the port. `wished` 0 means any free port. */
export async function listen(server: Server, wished: number, log: Log): Promise<number> {
  const last = wished === 0 ? 0 : Math.min(wished + PORTS_TRIED - 1, 65_535);
  for (let port = wished; port <= last; port++) {
    if (!await bound(server, port)) continue;
    const taken = (server.address() as AddressInfo).port;
    if (wished !== 0 && taken !== wished) log(`Port ${wished} is in use, so this stack listens on ${taken}.`);
    return taken;
  }
  throw new Error(`No free port between ${wished} and ${last} on 127.0.0.1.`);
}

function bound(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off("listening", succeeded);
      if (error.code === "EADDRINUSE" && port !== 0) resolve(false);
      else reject(error);
    };
    const succeeded = () => {
      server.off("error", failed);
      resolve(true);
    };
    server.once("error", failed);
    server.once("listening", succeeded);
    server.listen(port, "127.0.0.1");
  });
}
