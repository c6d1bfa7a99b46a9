// A bare websocket on a user's channel: no client library, only the clock at each message.

import { once } from "node:events";
import { WebSocket } from "ws";
import * as z from "zod";
import { ChangeMessage, changeTopic } from "../../../shared/contract/mod.ts";

interface Stored {
  imageId: string;
  atMs: number;
}

export interface Listener {
  /** The numbered picture, from 0, and when the first message of it came, in milliseconds since the epoch. */
  stored(number: number): Promise<Stored>;
  close(): void;
}

const Frame = z.object({ event: z.string(), payload: z.record(z.string(), z.unknown()) });

export async function listen(
  { url, publishableKey }: { url: string; publishableKey: string },
  userId: string,
  token: string,
): Promise<Listener> {
  const socket = new WebSocket(
    `${url.replace("http", "ws")}/realtime/v1/websocket?vsn=1.0.0&apikey=${publishableKey}`,
  );
  await once(socket, "open");
  const stored: Stored[] = [];
  let wake = () => {};
  const ready = Promise.withResolvers<void>();
  socket.on("message", (data) => {
    const atMs = performance.timeOrigin + performance.now();
    const { data: frame } = Frame.safeParse(JSON.parse(String(data)));
    if (!frame) return;
    const { event, payload } = frame;
    if (event === "system" && payload["status"] === "ok") ready.resolve();
    const { data: change } = ChangeMessage.safeParse(payload["payload"]);
    for (const { id } of change?.images ?? []) {
      // Its thumbnail tells of it once more.
      if (!stored.some(({ imageId }) => imageId === id)) stored.push({ imageId: id, atMs });
    }
    wake();
  });
  const config = { private: true, broadcast: { ack: false, self: false, replication_ready: true } };
  socket.send(JSON.stringify({
    topic: `realtime:${changeTopic(userId)}`,
    event: "phx_join",
    payload: { config, access_token: token },
    ref: "1",
    join_ref: "1",
  }));
  await ready.promise;
  return {
    async stored(number) {
      while (stored.length <= number) await new Promise<void>((resolve) => wake = resolve);
      return stored[number]!;
    },
    close: () => socket.terminate(),
  };
}
