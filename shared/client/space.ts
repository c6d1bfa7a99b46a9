// What the client holds of the user who is signed in: records, their channel, and what keeps them right.

import type { GenerationJob } from "../contract/mod.ts";
import { type Backend, createBackend, type Supabase } from "./backend.ts";
import { type Channel, joinChannel } from "./channel.ts";
import type { Clock } from "./clock.ts";
import { openDrafts, type OwnDrafts } from "./drafts.ts";
import { clientError, GenerationError } from "./error.ts";
import { createImages, type Images } from "./images.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { readLogs } from "./logs.ts";
import { type Notifications, openNotifications } from "./notifications.ts";
import { openRecords, type Records } from "./records.ts";
import { createRequests, type Requests } from "./requests.ts";
import type { Session } from "./session.ts";
import { createShelf, type Shelf } from "./shelf.ts";
import type { KeyValueStorage } from "./storage.ts";
import { createSync, type Sync } from "./sync.ts";

export interface Ports {
  supabase: Supabase;
  storage: KeyValueStorage;
  lifecycle: Lifecycle;
  clock: Clock;
  /** From 0 to below 1. */
  random: () => number;
  session: Session;
  creditsLowBelow: number;
  /** Asks again what an ended job asked; rejects where there is none. */
  retry(jobId: string | null): Promise<GenerationJob>;
}

export interface Space {
  userId: string;
  clock: Clock;
  backend: Backend;
  shelf: Shelf;
  records: Records;
  requests: Requests;
  sync: Sync;
  channel: Channel;
  drafts: OwnDrafts;
  notifications: Notifications;
  images: Images;
  /** Notes that somebody follows the record with this key; answers how to stop that. */
  observing(key: string): () => void;
  /** Aborted when the space closes. */
  signal: AbortSignal;
  /** Keeps what is stored, for when the user comes back. */
  close(): Promise<void>;
}

export async function openSpace(ports: Ports, userId: string): Promise<Space> {
  const { supabase, storage, lifecycle, clock, random, session } = ports;
  const shelf = createShelf(storage, userId);
  const records = await openRecords(shelf);
  const backend = createBackend(supabase, session);
  const requests = createRequests({ backend, records, retry: { clock, random } });
  const sync = createSync({ backend, records, clock, resume: requests.resume });
  const closing = new AbortController();
  const drafts = await openDrafts(shelf, records, clock);
  const observed = new Map<string, number>();
  const observing = (key: string) => {
    observed.set(key, (observed.get(key) ?? 0) + 1);
    return () => void observed.set(key, observed.get(key)! - 1);
  };
  const notifications = await openNotifications({
    shelf,
    records,
    account: sync.account,
    clock,
    lifecycle,
    creditsLowBelow: ports.creditsLowBelow,
    isObserved: (key) => (observed.get(key) ?? 0) > 0,
    viewLogs: async (jobId) => jobId === null ? [] : await readLogs(backend, jobId, closing.signal),
    retry: ports.retry,
  });
  /** What fails here fails for want of a network, and is read again with the next return, push or poll. */
  const catchUp = () =>
    void sync.catchUp().catch((error: unknown) => {
      if (!(error instanceof GenerationError) && !closing.signal.aborted) throw error;
    });
  const channel = joinChannel({
    supabase,
    session,
    clock,
    random,
    userId,
    onPush: sync.onPush,
    onJoined: catchUp,
  });
  const leaveLifecycle = lifecycle.onReturn(() => {
    channel.wake();
    catchUp();
  });
  // Not only once joined: push may be blocked.
  catchUp();
  return {
    userId,
    clock,
    backend,
    shelf,
    records,
    requests,
    sync,
    channel,
    drafts,
    notifications,
    images: createImages({ supabase, session, clock }),
    observing,
    signal: closing.signal,
    async close() {
      closing.abort(clientError("signed_out"));
      leaveLifecycle();
      sync.stop();
      drafts.close();
      notifications.close();
      records.close();
      await shelf.close();
      await channel.close();
    },
  };
}
