// The user's own topic: joined with a token that is good, joined again whenever it was lost.

import { changeEvent, ChangeMessage, changeTopic } from "../contract/mod.ts";
import type { Supabase } from "./backend.ts";
import type { Clock } from "./clock.ts";
import { createCell, type Live } from "./live.ts";
import type { Session } from "./session.ts";

const baseDelayMs = 1000;
const maxDelayMs = 30_000;

export type ChannelState = "joining" | "joined" | "lost";

export interface Channel {
  readonly state: Live<ChannelState>;
  /** Joins at once if it was lost: the app is back. */
  wake(): void;
  close(): Promise<void>;
}

export function joinChannel({ supabase, session, clock, random, userId, onPush, onJoined }: {
  supabase: Supabase;
  session: Session;
  clock: Clock;
  random: () => number;
  userId: string;
  onPush: (message: ChangeMessage) => void;
  /** From here on every change is pushed: what came before is to be read. */
  onJoined: () => void;
}): Channel {
  const state = createCell<ChannelState>("joining");
  let isClosed = false;
  let losses = 0;
  let callOff = () => {};
  let current: ReturnType<Supabase["channel"]> | null = null;

  async function join(): Promise<void> {
    state.set("joining");
    try {
      const { token } = await session.ensure();
      // Before the join: it is sent with the token that is known by then, and refused with one that has run out.
      await supabase.realtime.setAuth(token);
    } catch {
      // No network, or nobody signed in: the service closes this in the latter case.
      return lose();
    }
    if (isClosed) return;
    const channel = supabase.channel(changeTopic(userId), {
      config: { private: true, broadcast: { replication_ready: true } },
    });
    current = channel;
    const ifCurrent = (happen: () => void) => () => {
      if (current === channel && !isClosed) happen();
    };
    channel.on("broadcast", { event: changeEvent }, ({ payload }) => {
      const { data } = ChangeMessage.safeParse(payload);
      // Of a later backend perhaps. What it told of is read with the next change, or by the poll.
      if (data) ifCurrent(() => onPush(data))();
    });
    // Joined is not enough: what the database sends before its replication runs is lost.
    channel.on("system", {}, ({ extension, status }) => {
      if (extension === "system" && status === "ok") ifCurrent(ready)();
    });
    channel.subscribe((status) => {
      if (status !== "SUBSCRIBED") ifCurrent(lose)();
    });
  }

  function ready(): void {
    losses = 0;
    state.set("joined");
    onJoined();
  }

  function lose(): void {
    if (isClosed) return;
    leave();
    state.set("lost");
    callOff();
    callOff = clock.after(
      baseDelayMs / 2 + random() * Math.min(maxDelayMs, baseDelayMs * 2 ** losses++),
      () => void join(),
    );
  }

  function leave(): Promise<unknown> {
    const left = current;
    current = null;
    return left ? supabase.removeChannel(left) : Promise.resolve();
  }

  void join();
  return {
    state,
    wake() {
      if (isClosed || state.get() !== "lost") return;
      callOff();
      void join();
    },
    async close() {
      isClosed = true;
      callOff();
      await leave();
    },
  };
}
