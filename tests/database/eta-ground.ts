// What the queue simulation stands on: the real kernel in a database of its own, whose time and ids the simulation
// sets, and one call for each thing that happens, so that an hour of a queue takes seconds.

import type postgres from "postgres";
import type { TestDatabase } from "./database.ts";
import { prompt, tokenHash } from "./scenario.ts";

export interface Submitted {
  attemptId: string;
  jobId: string;
  modelId: string;
}
export interface Started {
  jobId: string;
  position: number;
  exact: boolean;
  etaSeconds: number;
}

const ground = `
  create schema eta;
  create sequence eta.ids;
  grant usage on schema eta to postgres;
  grant usage on sequence eta.ids to postgres;
  create or replace function genflow.clock() returns timestamptz language plpgsql volatile security definer set search_path = ''
  as $$ begin return coalesce(pg_catalog.current_setting('eta.now', true), '2026-11-22T09:00:00Z')::timestamptz; end $$;
  -- In no order, as real ids are, and the same in each run.
  create or replace function genflow.new_id() returns uuid language plpgsql volatile security definer set search_path = ''
  as $$ begin return pg_catalog.md5(pg_catalog.nextval('eta.ids')::text)::uuid; end $$;
  create or replace function genflow.random_unit() returns double precision language plpgsql volatile security definer set search_path = ''
  as $$ begin return 0.5; end $$;

  -- All that may be claimed is submitted and accepted; a task is named like its attempt.
  create function eta.dispatch() returns jsonb language plpgsql as $$
  declare
    v_claims jsonb;
    v_claim jsonb;
    v_send_id uuid;
    v_submitted jsonb := '[]';
  begin
    loop
      v_claims := public.claim_generations(genflow.new_id(), 10) -> 'claims';
      exit when jsonb_array_length(v_claims) = 0;
      for v_claim in select value from jsonb_array_elements(v_claims) loop
        v_send_id := genflow.new_id();
        perform public.mark_sending((v_claim ->> 'attemptId')::uuid, (v_claim ->> 'leaseToken')::uuid, v_send_id, '${tokenHash}');
        perform public.record_submission((v_claim ->> 'attemptId')::uuid, v_send_id,
          jsonb_build_object('kind', 'accepted', 'taskId', v_claim ->> 'attemptId'));
        v_submitted := v_submitted || jsonb_build_object('attemptId', v_claim -> 'attemptId', 'jobId', v_claim -> 'jobId',
          'modelId', (select model_id from genflow.attempts where id = (v_claim ->> 'attemptId')::uuid));
      end loop;
    end loop;
    return v_submitted;
  end $$;

  create function eta.start(p_user_id uuid, p_model_id text) returns jsonb language plpgsql as $$
  begin
    return public.start_generation(p_user_id, genflow.new_id(), '${
  "a".repeat(64)
}', jsonb_build_object('modelId', p_model_id,
      'prompt', '${prompt}', 'aspectRatio', '1:1'), 'trace');
  end $$;

  create function eta.result(p_attempt_id uuid, p_polled boolean, p_class text) returns jsonb language plpgsql as $$
  begin
    return public.settle_generation(p_attempt_id::text, case when not p_polled then p_attempt_id end, case when p_class is null
      then '{"status": "completed", "outputs": ["https://cdn.example.com/0.jpeg"], "flagged": []}'::jsonb
      else jsonb_build_object('status', 'failed', 'class', p_class) end);
  end $$;

  create function eta.store(p_attempt_id uuid) returns void language plpgsql as $$
  declare
    v_claim jsonb := public.claim_persists(genflow.new_id(), 1, p_attempt_id) -> 'claims' -> 0;
  begin
    insert into storage.objects (bucket_id, name, metadata) values ('generations', v_claim -> 'images' -> 0 ->> 'path', '{"size": 4096}');
    perform public.record_image(p_attempt_id, (v_claim ->> 'leaseToken')::uuid, jsonb_build_object('index', 0, 'width', 1024, 'height', 1024,
      'bytes', 4096, 'sha256', repeat('0', 64), 'contentType', 'image/jpeg'));
    perform public.complete_generation(p_attempt_id, (v_claim ->> 'leaseToken')::uuid, '{"failures": []}');
  end $$;`;

export async function layGround(database: TestDatabase): Promise<void> {
  await database.sql.unsafe(ground);
}

/** One connection, whose time stands still between two calls of `at`. */
export function createGround(sql: postgres.Sql) {
  const first = Date.UTC(2026, 10, 22, 9);
  const one = async <Answer>(text: string, values: (string | boolean | null)[] = []): Promise<Answer> => {
    const [row] = await sql.unsafe<{ answer: Answer }[]>(`select ${text} as answer`, values, {
      prepare: true,
    });
    return row!.answer;
  };
  return {
    /** To be called once before the first. */
    async begin(): Promise<void> {
      // Nothing here must outlive a crash.
      await sql`set synchronous_commit = off`;
      await one("setval('eta.ids', 1)");
    },
    at: (seconds: number) =>
      one("set_config('eta.now', $1, false)", [new Date(first + seconds * 1000).toISOString()]),
    async start(userId: string, modelId: string): Promise<Started> {
      const answer = await one<{ ok: boolean; job: { id: string }; queue: Omit<Started, "jobId"> }>(
        "eta.start($1, $2)",
        [userId, modelId],
      );
      if (!answer.ok) throw new Error(`refused: ${JSON.stringify(answer)}`);
      return { jobId: answer.job.id, ...answer.queue };
    },
    dispatch: () => one<Submitted[]>("eta.dispatch()"),
    /** Answers whether its pictures are to be stored now. */
    async result(attemptId: string, polled: boolean, failureClass: string | null): Promise<boolean> {
      return (await one<{ next: string }>("eta.result($1, $2, $3)", [attemptId, polled, failureClass]))
        .next === "persist";
    },
    store: (attemptId: string) => one<void>("eta.store($1)", [attemptId]),
    async duePolls(): Promise<string[]> {
      const { polls } = await one<{ polls: { attemptId: string }[] }>(
        "public.claim_polls(genflow.new_id(), 20)",
      );
      return polls.map(({ attemptId }) => attemptId);
    },
    async sweep(): Promise<void> {
      await sql.unsafe("call genflow.sweep()");
    },
    pause: (seconds: number) => one("genflow.pause_claims('rate_limited', $1::float8)", [String(seconds)]),
  };
}
export type Ground = ReturnType<typeof createGround>;
