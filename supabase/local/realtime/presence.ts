// Who is present on a topic: each tracked channel is one `meta` under its key, in the shape Phoenix gives it.

import { randomBytes } from "node:crypto";

export interface Meta {
  phx_ref: string;
  [field: string]: unknown;
}

export type PresenceState = Record<string, { metas: Meta[] }>;

export interface PresenceDiff {
  joins: PresenceState;
  leaves: PresenceState;
}

interface Tracked {
  key: string;
  meta: Meta;
  /** As JSON, to notice that nothing changed. */
  payload: string;
}

export class Presences {
  // topic key → channel → its key and meta
  readonly #topics = new Map<string, Map<object, Tracked>>();

  state(topic: string): PresenceState {
    const state: PresenceState = {};
    for (const { key, meta } of this.#topics.get(topic)?.values() ?? []) {
      (state[key] ??= { metas: [] }).metas.push(meta);
    }
    return state;
  }

  /** Null where the channel tracks the same payload already. */
  track(topic: string, channel: object, key: string, payload: Record<string, unknown>): PresenceDiff | null {
    const tracked = this.#topics.get(topic) ?? new Map<object, Tracked>();
    this.#topics.set(topic, tracked);
    const before = tracked.get(channel);
    const printed = JSON.stringify(payload);
    if (before?.payload === printed) return null;
    const meta: Meta = {
      ...payload,
      phx_ref: randomBytes(8).toString("base64url"),
      ...(before === undefined ? {} : { phx_ref_prev: before.meta.phx_ref }),
    };
    tracked.set(channel, { key, meta, payload: printed });
    return {
      joins: { [key]: { metas: [meta] } },
      leaves: before === undefined ? {} : { [before.key]: { metas: [before.meta] } },
    };
  }

  /** Null where the channel tracked nothing. */
  untrack(topic: string, channel: object): PresenceDiff | null {
    const tracked = this.#topics.get(topic);
    const before = tracked?.get(channel);
    if (tracked === undefined || before === undefined) return null;
    tracked.delete(channel);
    if (tracked.size === 0) this.#topics.delete(topic);
    return { joins: {}, leaves: { [before.key]: { metas: [before.meta] } } };
  }
}
