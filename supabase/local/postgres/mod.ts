/**
 * The local Postgres: a server brought by npm, made to look like a hosted project's database, with its
 * migrations applied as on hosted. What talks HTTP lives elsewhere; what runs jobs and requests is in workers/.
 */
export { addStandIns } from "./binaries.ts";
export { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
export { resolveDataHome } from "./home.ts";
export {
  cloneDatabase,
  createTemplate,
  type DefaultPrivileges,
  type PlatformOptions,
  preparePlatform,
} from "./database.ts";
export { migrate } from "./migrate.ts";
