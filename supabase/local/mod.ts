// The local stack: what a hosted Supabase project is, on this machine and without Docker.
//
// Postgres with the platform's schemas, Data API, Auth, Storage, Realtime, Edge Functions, pg_net, pg_cron, Vault, and a
// stand-in of the image provider. It serves one developer or one test on 127.0.0.1; it is not for production.

export { readEnvironment } from "./environment.ts";
export type { Log } from "./log.ts";
export { projectDirectory, type Stack, type StackOptions, startStack } from "./stack.ts";
export { runningStack, type StackInfo } from "./state.ts";
