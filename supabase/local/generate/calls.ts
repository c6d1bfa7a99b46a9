// The HTTP calls an app makes: start, cancel, and where in the queue the job is.

import { FunctionsHttpError, type SupabaseClient } from "@supabase/supabase-js";
import * as z from "zod";
import {
  CancelAnswer,
  Problem,
  Queue,
  StartAnswer,
  type StartRequest,
} from "../../../shared/contract/mod.ts";

/** The backend's refusal, with what it would accept instead. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.title);
    this.problem = problem;
  }
}

export function startGeneration(
  client: SupabaseClient,
  key: string,
  request: StartRequest,
): Promise<StartAnswer> {
  return invoke(client, "start-generation", request, StartAnswer, { "Idempotency-Key": key });
}

export function cancelGeneration(client: SupabaseClient, jobId: string): Promise<CancelAnswer> {
  return invoke(client, "cancel", { jobId }, CancelAnswer, {});
}

export async function queueOf(client: SupabaseClient, jobId: string): Promise<Queue> {
  const { data, error } = await client.rpc("queue_position", { p_job_id: jobId });
  if (error) throw new Error(`The queue position could not be read: ${error.message}`);
  return Queue.parse(data);
}

export async function expectedSecondsOf(client: SupabaseClient, modelId: string): Promise<number | null> {
  const { data } = await client.from("generation_models").select("expected_seconds").eq("id", modelId)
    .maybeSingle();
  return data?.expected_seconds ?? null;
}

export async function balanceOf(client: SupabaseClient): Promise<number> {
  const { data, error } = await client.rpc("my_account");
  if (error) throw new Error(`The account could not be read: ${error.message}`);
  return z.object({ balance: z.number() }).parse(data).balance;
}

async function invoke<Answer>(
  client: SupabaseClient,
  name: string,
  body: Record<string, unknown>,
  shape: z.ZodType<Answer>,
  headers: Record<string, string>,
): Promise<Answer> {
  const { data, error } = await client.functions.invoke(name, { body, headers });
  if (error instanceof FunctionsHttpError) throw await problemError(name, error.context);
  if (error) throw error;
  return shape.parse(data);
}

async function problemError(name: string, response: Response): Promise<Error> {
  const read = Problem.safeParse(await response.json().catch(() => null));
  return read.success ? new ProblemError(read.data) : new Error(`${name} answered HTTP ${response.status}`);
}
