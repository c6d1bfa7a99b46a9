/** A process that owns a cluster until it is killed: prints its address, then waits. */
import { startCluster } from "../../supabase/local/postgres/mod.ts";

const cluster = await startCluster({ dataDirectory: process.argv[2]! });
console.log(JSON.stringify({ pid: cluster.pid, adminUrl: cluster.adminUrl }));
setInterval(() => {}, 60_000);
