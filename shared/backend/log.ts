// One wide JSON line a request and one a background step, written when it is over, with everything that is known of it
// by then. log-fields.ts says what it may hold. An isolate that is killed writes no line for what it was at; the
// platform's own log has the kill.

import { allowed, type FunctionName, type LogFields, type StepName, type Told } from "./log-fields.ts";

/** What is known of one request or one step so far. It is passed on by hand: an isolate serves many at once. */
export interface Line {
  /** Later values replace earlier ones. */
  add(told: Told): void;
}

export interface Log {
  /**
   * Does `work` and then writes its one line, whatever came of it. `outcome` is "done" unless `work` said otherwise;
   * an error makes it "failed" and is thrown on.
   */
  step<Result>(name: StepName, told: Told, work: (line: Line) => Promise<Result>): Promise<Result>;
}

export interface RequestLog extends Log {
  readonly line: Line;
  /** Writes the request's line. Only the first call does. */
  end(told: Told): void;
}

export interface LogOptions {
  write: (line: string) => void;
  /** Milliseconds since the epoch. */
  now: () => number;
  function: FunctionName;
  /** The request's. */
  traceId: string;
}

/** The log of one request and of the steps that run in it. */
export function createLog(options: LogOptions): RequestLog {
  const { now } = options;
  const base = { function: options.function, trace_id: options.traceId, request_trace_id: options.traceId };
  // A clock that is set back must not make a line look wrong.
  const elapsedMs = (startedMs: number) => Math.max(0, Math.round(now() - startedMs));
  const begin = (first: LogFields) => {
    const startedMs = now();
    const at = new Date(startedMs).toISOString();
    let known: LogFields = { ...base, at, ...withoutNothing(first) };
    return {
      add(told: Told) {
        known = { ...known, ...withoutNothing(told) };
      },
      write: () => options.write(JSON.stringify(allowed({ ...known, duration_ms: elapsedMs(startedMs) }))),
    };
  };
  const request = begin({ kind: "request" });
  let ended = false;
  return {
    line: request,
    end(told) {
      if (ended) return;
      ended = true;
      request.add(told);
      request.write();
    },
    async step(name, told, work) {
      const step = begin({ kind: "step", step: name, outcome: "done", ...told });
      try {
        return await work(step);
      } catch (error) {
        step.add({ outcome: "failed", ...errorFields(error) });
        throw error;
      } finally {
        step.write();
      }
    },
  };
}

/** An unknown value must not hide a known one, such as the request's trace id. */
function withoutNothing(told: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(told).filter(([, value]) => value !== undefined && value !== null),
  );
}

/** What may be told of an error. */
export function errorFields(error: unknown): Pick<Told, "error" | "error_code" | "error_call"> {
  if (!(error instanceof Error)) return { error: typeof error };
  return {
    error: error.name,
    ...("code" in error && typeof error.code === "string" && error.code !== ""
      ? { error_code: error.code }
      : {}),
    ...("call" in error && typeof error.call === "string" ? { error_call: error.call } : {}),
  };
}
