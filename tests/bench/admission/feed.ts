// One page of the profile, newest first, read by its owner under row level security: at the top and far down.

import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import type { Ground } from "../ground.ts";
import type { Part } from "../part.ts";
import type { Sizes } from "../sizes.ts";
import { summarize } from "../statistics.ts";
import { withoutIndexes } from "./bulk.ts";
import { explain, type Touched } from "./touched.ts";

interface Page {
  depth: number;
  how: string;
  touched: Touched[];
}

/** What crosses the wire of a picture. */
const columns =
  `id, job_id, index, path, thumb_path, width, height, bytes, sha256, content_type, thumbhash, flagged,
  favorite, created_at, deleted_at, seq`;

export const feed: Part = {
  name: "feed",
  async measure(ground, { feed: sizes }) {
    const { pages, loadSeconds } = await readPages(ground, sizes);
    return {
      settings: { ...sizes, loadSeconds },
      tables: [{
        title: `Feed: a page of ${sizes.pageSize} pictures of one user who has ${
          sizes.images.toLocaleString("en-US")
        }`,
        columns: ["depth", "how", "buffers", "of planning", "p50 ms", "max ms"],
        rows: pages.map(({ depth, how, touched }) => {
          const ms = summarize(touched.map((each) => each.ms));
          return [
            depth,
            how,
            summarize(touched.map(({ buffers }) => buffers)).median,
            summarize(touched.map(({ planningBuffers }) => planningBuffers)).median,
            ms.median.toFixed(2),
            ms.max.toFixed(2),
          ];
        }),
        notes: [
          `As role authenticated with the owner's claims, order by created_at desc, id desc; ${sizes.samples} samples after ` +
          `${sizes.warmUps} warm-ups; buffers hit and read. Another user has a tenth as many. An offset is what the ` +
          "key saves.",
        ],
      }],
      verdicts: [],
      samples: pages,
    };
  },
};

async function readPages(
  ground: Ground,
  sizes: Sizes["feed"],
): Promise<{ pages: Page[]; loadSeconds: number }> {
  const plot = await ground.open("genflow");
  try {
    const begin = performance.now();
    const [owner, other] = [randomUUID(), randomUUID()];
    await withoutIndexes(plot.admin, async () => {
      await loadPictures(plot.admin, owner, sizes.images);
      await loadPictures(plot.admin, other, sizes.images / 10);
    });
    await plot.admin`vacuum analyze public.generation_images`;
    const loadSeconds = (performance.now() - begin) / 1000;
    const sql = await plot.connect(1, { settings: { jit: "off" } }).reserve();
    const cursor = await lastOf(plot.admin, owner, sizes.depth);
    const pages: Page[] = [];
    for (const { depth, how, where, offset } of ways(sizes.depth, cursor)) {
      const statement = `select ${columns} from public.generation_images where deleted_at is null ${where}
        order by created_at desc, id desc limit ${sizes.pageSize} offset ${offset}`;
      const touched: Touched[] = [];
      for (let at = 0; at < sizes.warmUps + sizes.samples; at++) {
        const each = await readAs(sql, owner, statement);
        if (at >= sizes.warmUps) touched.push(each);
      }
      pages.push({ depth, how, touched });
    }
    sql.release();
    return { pages, loadSeconds };
  } finally {
    await plot.close();
  }
}

interface Way {
  depth: number;
  how: string;
  where: string;
  offset: number;
}

function ways(depth: number, { at, id }: Cursor): Way[] {
  return [
    { depth: 0, how: "first page", where: "", offset: 0 },
    {
      depth,
      how: "key: (created_at, id) < (…)",
      where: `and (created_at, id) < ('${at}', '${id}')`,
      offset: 0,
    },
    {
      depth,
      how: "key, as the Data API's filters say it",
      where: `and created_at <= '${at}' and (created_at < '${at}' or id < '${id}')`,
      offset: 0,
    },
    { depth, how: "offset", where: "", offset: depth },
  ];
}

interface Cursor {
  at: string;
  id: string;
}

async function lastOf(admin: postgres.Sql, owner: string, depth: number): Promise<Cursor> {
  const [row] = await admin<[Cursor]>`
    select created_at::text as at, id from public.generation_images
    where user_id = ${owner} and deleted_at is null
    order by created_at desc, id desc limit 1 offset ${depth - 1}`;
  return row;
}

async function readAs(sql: postgres.ReservedSql, owner: string, statement: string): Promise<Touched> {
  const claims = JSON.stringify({ sub: owner, role: "authenticated" });
  await sql`begin`;
  try {
    await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`;
    return await explain(sql, statement);
  } finally {
    await sql`rollback`;
  }
}

/** The pictures alone: the page reads nothing else. Two are of the same instant each: the id decides between them. */
async function loadPictures(admin: postgres.Sql, owner: string, images: number): Promise<void> {
  await admin`
    insert into public.generation_images (id, job_id, user_id, index, path, width, height, bytes, sha256, content_type, created_at,
      job_created_at, seq)
    select id, id, ${owner}::uuid, 0, ${owner} || '/' || id || '/0-00000000', 1024, 1024, 180000, repeat('0', 64), 'image/jpeg', at, at, n
    from (select id, row_number() over (order by id) as n
      from (select gen_random_uuid() as id from generate_series(1, ${images}::integer)) random order by id) pictures,
      lateral (select now() - interval '1 day' + (n / 2) * interval '1 millisecond' as at) made`;
}
