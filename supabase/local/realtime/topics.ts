/**
 * Who listens to what. A public and a private topic of one name are two topics: what is sent to one never reaches
 * the other.
 */

import type { Log } from "../log.ts";
import type { Rate } from "./rate.ts";
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
  /** Says why, then closes. */
  shutDown(message: string): void;
}

export class Topics {
  readonly #log: Log;
  readonly #rate: Rate;
  readonly #subscribers = new Map<string, Set<Subscriber>>();

  constructor(log: Log, rate: Rate) {
    this.#log = log;
    this.#rate = rate;
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

  /**
   * Encoded once a version, however many listen. A broadcast counts once for its sending and once for each delivery.
   * While there are too many, the database's are dropped; who receives another's loses the channel.
   */
  publish(name: string, isPrivate: boolean, post: Post, except: Subscriber | null = null): void {
    const counts = post.kind === "broadcast";
    const tooMany = counts && this.#rate.exceeded;
    if (tooMany && post.id !== null) {
      return this.#log(`realtime: message ${post.id} dropped: too many messages a second`);
    }
    if (counts) this.#rate.count();
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
      if (frame === null) continue;
      subscriber.receive(frame);
      if (counts) this.#rate.count();
      if (tooMany) subscriber.shutDown("Too many messages per second");
    }
  }
}

export function topicKey(name: string, isPrivate: boolean): string {
  return `${isPrivate ? "private" : "public"}:${name}`;
}
