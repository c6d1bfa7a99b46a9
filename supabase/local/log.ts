// One line of the stack's own log, which `npm start` shows: services, functions (their JSON lines behind `[name]`),
// workers. Prompts, tokens and keys are never passed to it. Requests and the database have files of their own in the
// data directory: gateway.log and postgres-<major>.log.

export type Log = (line: string) => void;

export const silent: Log = () => {};
