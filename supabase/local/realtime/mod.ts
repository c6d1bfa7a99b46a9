/**
 * A local Realtime: private and public channels, broadcasts from clients, from HTTP and (after commit) from the
 * database, presence. It is not a full one: `postgres_changes` is refused with a system message, and hosted's limits a
 * second are not kept. Needs the platform's realtime schema and a server with wal_level=logical.
 */
export { type Realtime, type RealtimeOptions, startRealtime } from "./server.ts";
export { type ApiKeys, type JwtClaims, type VerifyToken } from "./token.ts";
