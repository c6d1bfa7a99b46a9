// The backend: one verb a file, everything outside passed in as ports. It talks to provider, storage and kernel;
// it decides nothing about state, money or order (SQL does) and knows nothing of HTTP requests (functions do).

export { type Callback, maxCallbackBytes, receiveCallback, type Received } from "./callback.ts";
export { type Cancel, cancel } from "./cancel.ts";
export { dispatch } from "./dispatch.ts";
export { createKernel, type Kernel, KernelError, type Refusal, type Rpc, type Work } from "./kernel.ts";
export { createLog, errorFields, type Line, type Log, type RequestLog } from "./log.ts";
export { type FunctionName, type StepName, type Told, withheldMark } from "./log-fields.ts";
export type { Backend, BackendConfig, Store, UploadBody } from "./ports.ts";
export { type Start, start } from "./start.ts";
export { rpcOf, storeOf } from "./supabase.ts";
export { sweep } from "./sweep.ts";
export { isSweepStamp, sweepStamp, sweepStampHeader } from "./sweep-stamp.ts";
export { type Drawing, type Thumbnail, thumbnailDue } from "./thumbnail.ts";
export { type Pixels, upright } from "./upright.ts";
