/**
 * A local Realtime: private and public channels, broadcasts from clients, from HTTP and (after commit) from the
 * database, presence, within the Free plan's limits. `postgres_changes` is refused with a system message. Needs the
 * platform's realtime schema and a server with wal_level=logical.
 */
export { type Realtime, type RealtimeOptions, startRealtime } from "./server.ts";
export { freePlan, type Limits } from "./limits.ts";
export { type ApiKeys, type JwtClaims, type VerifyToken } from "./token.ts";
