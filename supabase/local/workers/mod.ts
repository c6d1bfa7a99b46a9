/**
 * The two background workers that hosted's extensions run inside Postgres and that run beside it here: pg_net
 * sends what SQL has queued, pg_cron calls what is due. The SQL side is in postgres/extensions.
 */
export { type CronWorker, startCronWorker } from "./cron.ts";
export type { CronClock } from "./due.ts";
export { type NetWorker, startNetWorker } from "./net.ts";
