// The app's half: one service on an existing supabase-js client. It shows what the backend decides and decides nothing:
// no state, no money, no second session. Runs in browsers, React Native, Deno and Node; needs no globals that one of
// them lacks.

export type { Account, GenerationModel, LogEntry } from "../contract/mod.ts";
export type { ChannelState } from "./channel.ts";
export { type Clock, systemClock } from "./clock.ts";
export type { Draft, Drafts, DraftWords } from "./drafts.ts";
export {
  type ClientProblemCode,
  clientProblems,
  type ErrorFacts,
  GenerationError,
  type GenerationErrorCode,
} from "./error.ts";
export type { Feed, FeedQuery, FeedState } from "./feed/mod.ts";
export { cacheKey, type Images } from "./images.ts";
export {
  alwaysThere,
  type AppStateLike,
  type Lifecycle,
  nativeLifecycle,
  webLifecycle,
} from "./lifecycle.ts";
export type { Live } from "./live.ts";
export type { GenerationNotification, Notifications } from "./notifications.ts";
export { type GenerationRecord, isLive, type RecordPhase } from "./record.ts";
export { createGenerationService, type GenerationService, type ServiceOptions } from "./service.ts";
export { type KeyValueStorage, memoryStorage, webStorage } from "./storage.ts";
export type { InputData, UploadOptions } from "./uploads/mod.ts";
