// The backend as the client meets it: functions, database functions and rows, each answer checked against the contract,
// each failure a GenerationError.

import type { SupabaseClient } from "@supabase/supabase-js";
import * as z from "zod";
import {
  Account,
  CancelAnswer,
  GenerationImage,
  GenerationJob,
  idempotencyKeyHeader,
  imageFromRow,
  jobFromRow,
  Queue,
  SearchAnswer,
  type SearchRequest,
  StartAnswer,
  type StartRequest,
} from "../contract/mod.ts";
import { clientError, errorOfAnswer, errorOfRows, GenerationError } from "./error.ts";
import type { Session } from "./session.ts";
import { throwIfAborted } from "./signal.ts";

/** What is needed of a supabase-js client. */
export type Supabase = Pick<
  SupabaseClient,
  "auth" | "functions" | "rpc" | "from" | "storage" | "channel" | "removeChannel" | "realtime"
>;

/** A job as the data API gives it, with the key of the tap that asked for it. */
export interface KeyedJob {
  key: string;
  job: GenerationJob;
}

/** Rows in the order of their `seq`. */
export interface Rows {
  jobs: KeyedJob[];
  images: GenerationImage[];
}

/** As many as PostgREST gives in one answer by default. */
const pageRows = 1000;
/** A UUID is 36 characters, and a URL should stay below 8 KiB. */
const idsInUrl = 100;

export function createBackend(supabase: Supabase, session: Session) {
  async function invoke<Answer>(
    name: string,
    body: object,
    schema: z.ZodType<Answer>,
    { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal | undefined },
  ): Promise<Answer> {
    await session.ensure(signal);
    const { data, error, response } = await supabase.functions.invoke<unknown>(name, {
      body,
      headers,
      ...(signal && { signal }),
    });
    throwIfAborted(signal);
    if (error === null) return understood(schema, data);
    if (response === undefined || response.ok) throw clientError("offline", { cause: error });
    throw errorOfAnswer(response.status, await response.json().catch(() => null));
  }

  /** `ask` answers what a postgrest-js builder resolves to. */
  async function read<Answer>(
    ask: () => PromiseLike<RowsAnswer>,
    understand: (data: unknown) => Answer,
    signal?: AbortSignal,
  ): Promise<Answer> {
    await session.ensure(signal);
    const { data, error, status } = await ask();
    throwIfAborted(signal);
    if (error) throw errorOfRows(status, error);
    return understand(data);
  }

  const call = <Answer>(
    name: string,
    args: Record<string, unknown>,
    schema: z.ZodType<Answer>,
    signal?: AbortSignal,
  ) =>
    read(
      () => withSignal(supabase.rpc(name, args), signal),
      (data) => understood(schema, data),
      signal,
    );

  const jobsOf = (data: unknown) =>
    rowsOf(data, (row): KeyedJob => ({ key: z.uuid().parse(row["idempotency_key"]), job: jobFromRow(row) }));
  const imagesOf = (data: unknown) => rowsOf(data, imageFromRow);

  /** Every page; the rows' order must not change under it. */
  async function all<Row>(page: (from: number, to: number) => Promise<Row[]>): Promise<Row[]> {
    const rows: Row[] = [];
    for (;;) {
      const more = await page(rows.length, rows.length + pageRows - 1);
      rows.push(...more);
      if (more.length < pageRows) return rows;
    }
  }

  return {
    start: (key: string, request: StartRequest, signal?: AbortSignal) =>
      invoke("start-generation", request, StartAnswer, { headers: { [idempotencyKeyHeader]: key }, signal }),

    cancel: (jobId: string, signal?: AbortSignal) => invoke("cancel", { jobId }, CancelAnswer, { signal }),

    account: (signal?: AbortSignal) => call("my_account", {}, Account, signal),

    queue: (jobId: string, signal?: AbortSignal) =>
      call("queue_position", { p_job_id: jobId }, Queue, signal),

    search: (request: SearchRequest, signal?: AbortSignal) =>
      call("search_generations", request, SearchAnswer, signal),

    setFavorite: (imageId: string, favorite: boolean, signal?: AbortSignal) =>
      call("set_favorite", { p_image_id: imageId, p_favorite: favorite }, GenerationImage, signal),

    deleteImages: (imageIds: string[], signal?: AbortSignal) =>
      call("delete_images", { p_image_ids: imageIds }, z.object({ deleted: z.array(z.uuid()) }), signal),

    /** Everything that changed after `seq`, or null if that is more than `most` rows: then read anew what is shown. */
    async changesAfter(seq: number, most: number, signal?: AbortSignal): Promise<Rows | null> {
      const after = <Row>(table: string, understand: (data: unknown) => Row[]) =>
        read(
          () =>
            withSignal(
              supabase.from(table).select().gt("seq", seq).order("seq").order("id").limit(most + 1),
              signal,
            ),
          understand,
          signal,
        );
      const [jobs, images] = await Promise.all([
        after("generation_jobs", jobsOf),
        after("generation_images", imagesOf),
      ]);
      return jobs.length + images.length > most ? null : { jobs, images };
    },

    /** Jobs that have not ended, with their pictures so far. */
    async live(signal?: AbortSignal): Promise<Rows> {
      const jobs = await all((from, to) =>
        read(
          () =>
            withSignal(
              supabase.from("generation_jobs").select().is("ended_at", null).order("id").range(from, to),
              signal,
            ),
          jobsOf,
          signal,
        )
      );
      return { jobs, images: await this.imagesOf(jobs.map(({ job }) => job.id), signal) };
    },

    /** Those of them that there are. */
    jobs: (by: "id" | "idempotency_key", values: string[], signal?: AbortSignal) =>
      inPieces(values, (piece) =>
        read(
          () => withSignal(supabase.from("generation_jobs").select().in(by, piece), signal),
          jobsOf,
          signal,
        )),

    imagesOf: (jobIds: string[], signal?: AbortSignal) =>
      inPieces(jobIds, (piece) =>
        read(
          () => withSignal(supabase.from("generation_images").select().in("job_id", piece), signal),
          imagesOf,
          signal,
        )),

    /** What a postgrest-js builder finds. */
    rows: <Answer>(
      ask: (supabase: Supabase) => Parameters<typeof withSignal>[0],
      schema: z.ZodType<Answer>,
      signal?: AbortSignal,
    ) => read(() => withSignal(ask(supabase), signal), (data) => understood(schema, data), signal),
  };
}
export type Backend = ReturnType<typeof createBackend>;

interface RowsAnswer {
  data: unknown;
  error: { code?: string | null; hint?: string | null } | null;
  status: number;
}

function withSignal(
  builder: PromiseLike<RowsAnswer> & { abortSignal(signal: AbortSignal): PromiseLike<RowsAnswer> },
  signal: AbortSignal | undefined,
): PromiseLike<RowsAnswer> {
  return signal ? builder.abortSignal(signal) : builder;
}

/** A later backend's answer that this version cannot read is an error that says so, not a ZodError. */
function understood<Answer>(schema: z.ZodType<Answer>, data: unknown): Answer {
  const { data: answer, error } = schema.safeParse(data);
  // The error's text would quote the answer.
  if (error) throw clientError("unexpected_answer");
  return answer;
}

function rowsOf<Row>(data: unknown, toRow: (row: Record<string, unknown>) => Row): Row[] {
  try {
    return understood(z.array(z.record(z.string(), z.unknown())), data).map(toRow);
  } catch (error) {
    throw error instanceof GenerationError ? error : clientError("unexpected_answer");
  }
}

async function inPieces<Row>(values: string[], ask: (piece: string[]) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let from = 0; from < values.length; from += idsInUrl) {
    rows.push(...await ask(values.slice(from, from + idsInUrl)));
  }
  return rows;
}
