// What happened to a job, and the words it was asked with: read when somebody wants to see them.

import * as z from "zod";
import { columnsOf, GenerationJob, LogEntry } from "../contract/mod.ts";
import type { Backend } from "./backend.ts";
import type { DraftWords } from "./drafts.ts";

/** The oldest first; empty where there is no such job. */
export function readLogs(backend: Backend, jobId: string, signal?: AbortSignal): Promise<LogEntry[]> {
  return backend.rows(
    (supabase) =>
      supabase.from("generation_events").select(columnsOf(LogEntry)).eq("job_id", jobId).order("id"),
    z.array(LogEntry),
    signal,
  );
}

const Asked = GenerationJob
  .pick({ modelId: true, aspectRatio: true, numImages: true, seed: true })
  .extend({ inputPaths: z.array(z.string()) });

/** What a job asked for, as words of a draft; null where there is no such job. */
export async function readAsked(
  backend: Backend,
  jobId: string,
  signal?: AbortSignal,
): Promise<DraftWords | null> {
  const [[asked], prompt] = await Promise.all([
    backend.rows(
      (supabase) => supabase.from("generation_jobs").select(columnsOf(Asked)).eq("id", jobId),
      z.array(Asked),
      signal,
    ),
    readPrompt(backend, jobId, signal),
  ]);
  if (asked === undefined) return null;
  const { seed, ...words } = asked;
  return { ...words, ...(seed !== null && { seed }), ...(prompt !== null && { prompt }) };
}

/** The words that a job was asked with; null where they are not kept any more, or there is no such job. */
export async function readPrompt(
  backend: Backend,
  jobId: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const [row] = await backend.rows(
    (supabase) => supabase.from("generation_prompts").select("prompt").eq("job_id", jobId),
    z.array(z.object({ prompt: z.string().nullable() })),
    signal,
  );
  return row?.prompt ?? null;
}
