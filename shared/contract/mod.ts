// Everything that crosses the wire, as zod schemas, and the one catalogue of error codes.
// Imports nothing of ours; the backend, the functions and the client all build on it.

export { Account } from "./account.ts";
export { canonicalJson, hashRequest } from "./canonical-json.ts";
export { CancelAnswer } from "./cancel-answer.ts";
export { CancelRequest } from "./cancel-request.ts";
export { type JobErrorCode, jobErrors } from "./job-errors.ts";
export {
  GenerationImage,
  GenerationJob,
  type GenerationStatus,
  generationStatuses,
  hasEnded,
  terminalStatuses,
} from "./generation.ts";
export { Hold, type HoldReason, holdReasons } from "./hold.ts";
export { type ExtrasOf, Problem, type ProblemExtras, problemOf } from "./problem.ts";
export { LogEntry } from "./log.ts";
export { GenerationModel } from "./model.ts";
export { type CapName, caps, type ProblemCode, type ProblemExtra, problems } from "./problems.ts";
export { changeEvent, ChangeMessage, changeTopic } from "./push.ts";
export { columnsOf, imageFromRow, jobFromRow } from "./rows.ts";
export { SearchAnswer, SearchCursor, SearchItem, searchWords } from "./search-answer.ts";
export { SearchRequest } from "./search-request.ts";
export { idempotencyKeyHeader, Queue, StartAnswer } from "./start-answer.ts";
export { IdempotencyKey, maxStartBytes, StartRequest } from "./start-request.ts";
