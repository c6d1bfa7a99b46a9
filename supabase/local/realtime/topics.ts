/**
 * Who listens to what. A public and a private topic of one name are two topics: what is sent to one never reaches
 * the other.
 */

import type { Log } from "../log.ts";
import { type Delivery, encodeDelivery, type Version } from "./wire.ts";

/** A broadcast with what decides whether a subscriber takes it. */
export interface Post {
  delivery: Delivery;
  /** Id of the row in realtime.messages; null for a client's broadcast. */
  id: string | null;
  kind: "broadcast" | "presence";
}

export interface Subscriber {
  readonly version: Version;
  takes(post: Post): boolean;
  receive(encoded: string | Buffer): void;
}

export class Topics {
  readonly #log: Log;
  readonly #subscribers = new Map<string, Set<Subscriber>>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(key: string, subscriber: Subscriber): void {
    const found = this.#subscribers.get(key);
    if (found === undefined) this.#subscribers.set(key, new Set([subscriber]));
    else found.add(subscriber);
  }

  remove(key: string, subscriber: Subscriber): void {
    const found = this.#subscribers.get(key);
    found?.delete(subscriber);
    if (found?.size === 0) this.#subscribers.delete(key);
  }

  /** Encoded once a version, however many listen. */
  publish(name: string, isPrivate: boolean, post: Post, except: Subscriber | null = null): void {
    const encoded = new Map<Version, string | Buffer | null>();
    for (const subscriber of this.#subscribers.get(topicKey(name, isPrivate)) ?? []) {
      if (subscriber === except || !subscriber.takes(post)) continue;
      const { version } = subscriber;
      let frame = encoded.get(version);
      if (frame === undefined) {
        frame = encodeDelivery(version, `realtime:${name}`, post.delivery);
        encoded.set(version, frame);
        if (frame === null) this.#log(`realtime: ${version} cannot carry a broadcast to ${name}; dropped`);
      }
      if (frame !== null) subscriber.receive(frame);
    }
  }
}

export function topicKey(name: string, isPrivate: boolean): string {
  return `${isPrivate ? "private" : "public"}:${name}`;
}
