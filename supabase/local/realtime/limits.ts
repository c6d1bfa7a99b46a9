/** What a plan allows, in the numbers of the Free plan: what passes here passes on every plan. */

export interface Limits {
  /**
   * Websocket messages sent or delivered a second, so that one broadcast to 50 clients counts 51. An average (see
   * Rate): a short burst above it passes.
   */
  messagesPerSecond: number;
  /** Joins of channels a second, averaged likewise. */
  joinsPerSecond: number;
  /** Sockets that have joined a channel. */
  connections: number;
  channelsPerConnection: number;
  /** Of one broadcast's payload. */
  broadcastKilobytes: number;
}

export const freePlan: Readonly<Limits> = {
  messagesPerSecond: 100,
  joinsPerSecond: 100,
  connections: 200,
  channelsPerConnection: 100,
  broadcastKilobytes: 256,
};

const PADDING_BYTES = 500;

export function maxBroadcastBytes(limits: Limits): number {
  return limits.broadcastKilobytes * 1000 + PADDING_BYTES;
}
