// The profile's feed as an app asks for it, and rows put in past the kernel for it to find.

import { randomUUID } from "node:crypto";
import {
  type GenerationStatus,
  SearchAnswer,
  type SearchItem,
  type SearchRequest,
} from "../../shared/contract/mod.ts";
import type { TestDatabase } from "./database.ts";

export type Picture = {
  favorite: boolean;
  flagged: boolean;
  deleted: boolean;
};

/** A job as a search sees it. */
export type Generation = {
  id: string;
  /** Of its making, counted from a fixed moment. */
  microseconds: number;
  modelId: string;
  aspectRatio: string;
  status: GenerationStatus;
  prompt: string;
  pictures: Picture[];
};

const ended: ReadonlySet<string> = new Set(["completed", "failed", "canceled"]);

export function generation(more: Partial<Generation> = {}): Generation {
  return {
    id: randomUUID(),
    microseconds: 0,
    modelId: "flux-schnell",
    aspectRatio: "1:1",
    status: "completed",
    prompt: "an otter",
    pictures: [{ favorite: false, flagged: false, deleted: false }],
    ...more,
  };
}

/** More pages than any search here has: one that does not end is a fault. */
const maxPages = 1000;

export function createSearcher(db: TestDatabase) {
  const { sql } = db;

  /** As it is, whatever its shape. */
  async function askRaw(userId: string, request: string): Promise<unknown> {
    const rows = await db.asUser(
      userId,
      (as) =>
        as.unsafe<{ answer: unknown }[]>(`select public.search_generations($1::text::json) as answer`, [
          request,
        ]),
    );
    return rows[0]?.answer;
  }

  async function ask(userId: string, request: SearchRequest = {}): Promise<SearchAnswer> {
    const answer = await askRaw(userId, JSON.stringify(request));
    return SearchAnswer.strict().parse(answer);
  }

  /** Every page from the first to the last; `between` happens before each but the first. */
  async function pages(
    userId: string,
    request: SearchRequest,
    between: () => Promise<void> = () => Promise.resolve(),
  ): Promise<SearchItem[][]> {
    const found: SearchItem[][] = [];
    let after: SearchRequest["after"];
    while (found.length < maxPages) {
      const { items, next } = await ask(userId, { ...request, ...(after && { after }) });
      found.push(items);
      if (next === null) return found;
      after = next;
      await between();
    }
    throw new Error("the pages do not end");
  }

  async function put(userId: string, generations: Generation[]): Promise<void> {
    const rows = generations.map((each) => ({ ...each, ended: ended.has(each.status) }));
    await sql.begin(async (transaction) => {
      await transaction`set local session_replication_role = replica`;
      await transaction`insert into genflow.accounts (user_id) values (${userId}) on conflict do nothing`;
      await transaction`
        with made as (
          insert into public.generation_jobs (id, user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images, trace_id,
            status, error_code, credits_per_image, credits_held, created_at, ended_at)
          select g.id, ${userId}, g.id, repeat('a', 64), g."modelId", g."aspectRatio", 1, 'trace',
            g.status, case when g.status = 'failed' then 'provider_error' end, 1, 1, t.at, case when g.ended then t.at end
          from jsonb_to_recordset(${sql.json(rows)}) g (id uuid, microseconds bigint, "modelId" text,
              "aspectRatio" text, status public.generation_status, ended boolean),
            lateral (select '2026-01-01'::timestamptz + g.microseconds * interval '1 microsecond' as at) t)
        select`;
      await transaction`
        insert into public.generation_prompts (job_id, user_id, prompt)
        select g.id, ${userId}, g.prompt from jsonb_to_recordset(${sql.json(rows)}) g (id uuid, prompt text)`;
      await transaction`
        insert into public.generation_images (job_id, user_id, index, path, width, height, bytes, sha256, content_type, favorite, flagged,
          created_at, job_created_at, deleted_at)
        select g.id, ${userId}, p.place - 1, g.id || '/' || p.place, 8, 8, 8, repeat('0', 64), 'image/jpeg',
          (p.picture -> 'favorite')::boolean, (p.picture -> 'flagged')::boolean, now(),
          '2026-01-01'::timestamptz + g.microseconds * interval '1 microsecond',
          case when (p.picture -> 'deleted')::boolean then now() end
        from jsonb_to_recordset(${sql.json(rows)}) g (id uuid, microseconds bigint, pictures jsonb),
          jsonb_array_elements(g.pictures) with ordinality p (picture, place)`;
    });
  }

  return { ask, askRaw, pages, put };
}
