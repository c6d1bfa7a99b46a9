// Follows one job over Realtime: the pushed changes, and the rows themselves whenever a push may have been missed.

import type { RealtimeChannel } from "@supabase/supabase-js";
import {
  changeEvent,
  ChangeMessage,
  changeTopic,
  type GenerationImage,
  type GenerationJob,
  hasEnded,
  imageFromRow,
  jobFromRow,
} from "../../../shared/contract/mod.ts";
import type { Session } from "./session.ts";

/** Pushes are hints: however quiet it is, the row is read again after this long. */
const rereadMs = 10_000;

export interface Watch {
  /** Every state of the job after this one, until it has ended. */
  states(job: GenerationJob): AsyncGenerator<GenerationJob>;
  images(jobId: string): Promise<GenerationImage[]>;
  close(): Promise<void>;
}

/** Joins the user's private topic. Changes may begin to flow a little later: the rows are read again when they do. */
export async function watchChanges({ client, userId, accessToken }: Session): Promise<Watch> {
  const arrived: GenerationJob[] = [];
  let lastSeq = 0;
  let missed = false;
  let wake = Promise.withResolvers<void>();

  await client.realtime.setAuth(accessToken);
  const channel = client.channel(changeTopic(userId), {
    config: { private: true, broadcast: { replication_ready: true } },
  });
  channel.on("broadcast", { event: changeEvent }, ({ payload }) => {
    const message = ChangeMessage.parse(payload);
    missed ||= lastSeq !== 0 && message.seq > lastSeq + 1;
    lastSeq = Math.max(lastSeq, message.seq);
    arrived.push(...message.jobs);
    wake.resolve();
  });
  channel.on("system", {}, ({ status }) => {
    if (status !== "ok") return;
    missed = true; // whatever was committed before nobody was told of
    wake.resolve();
  });
  await joined(channel);

  const reread = async (jobId: string) => {
    const { data, error } = await client.from("generation_jobs").select().eq("id", jobId).single();
    if (error) throw new Error(`The job could not be read: ${error.message}`);
    arrived.push(jobFromRow(data));
  };

  return {
    async *states(started) {
      let shown = started.seq;
      while (true) {
        // Taken before looking, so that what arrives meanwhile is not waited for.
        const woken = wake.promise;
        for (const job of arrived.splice(0)) {
          if (job.id !== started.id || job.seq <= shown) continue;
          shown = job.seq;
          yield job;
          if (hasEnded(job)) return;
        }
        if (missed || !await soon(woken, rereadMs)) {
          missed = false;
          await reread(started.id);
        }
        wake = Promise.withResolvers<void>();
      }
    },
    async images(jobId) {
      const { data, error } = await client.from("generation_images").select().eq("job_id", jobId).order(
        "index",
      );
      if (error) throw new Error(`The pictures could not be read: ${error.message}`);
      return data.map(imageFromRow);
    },
    async close() {
      await client.removeAllChannels();
      await client.auth.stopAutoRefresh();
    },
  };
}

function joined(channel: RealtimeChannel): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.subscribe((status, error) => {
      if (status === "SUBSCRIBED") resolve();
      else if (status !== "CLOSED") reject(error ?? new Error(`Realtime answered ${status}`));
    });
  });
}

/** False if `ms` passed first. */
async function soon(promise: Promise<void>, ms: number): Promise<boolean> {
  const { promise: timeout, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
