/**
 * Ends the server when its owner is gone, however it went: a shell waits on a pipe that only the owner holds.
 * The kernel closes the pipe even after kill -9. (Should the guard be killed too, the next start cleans up.)
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import type { Account } from "./account.ts";

const script = 'read -r _; kill -INT "$1"';

/** `pgdata` is only for whoever reads a list of processes. */
export function startGuard(serverPid: number, pgdata: string, account: Account): ChildProcess {
  const guard = spawn("/bin/sh", ["-c", script, "sh", String(serverPid), pgdata], {
    ...account,
    cwd: "/",
    env: {},
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // Ctrl-C at the terminal is for the owner
  });
  guard.on("error", () => {}); // without a guard the server still works, and the next start cleans up
  guard.unref();
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  return guard;
}
