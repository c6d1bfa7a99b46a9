// One joined channel of one socket: what it takes from its topic, what its client sends to it, and its end.

import { randomUUID } from "node:crypto";
import { type Admission, admit } from "./admission.ts";
import { watchExpiry } from "./expiry.ts";
import { type JoinRequest, object } from "./join.ts";
import { maxBroadcastBytes } from "./limits.ts";
import { refuseChanges } from "./postgres-changes.ts";
import type { PresenceDiff } from "./presence.ts";
import { Refusal } from "./refusal.ts";
import type { ReplayedMessage } from "./replay.ts";
import type { Service } from "./service.ts";
import { isApiKey } from "./token.ts";
import { type Post, type Subscriber, topicKey } from "./topics.ts";
import { type Delivery, encode, type Incoming, type Version } from "./wire.ts";

export interface ChannelClient {
  readonly version: Version;
  readonly headers: Record<string, string>;
  send(data: string | Buffer): void;
}

export interface ChannelOptions {
  service: Service;
  client: ChannelClient;
  /** Without `realtime:`. */
  name: string;
  joinRef: string | null;
  request: JoinRequest;
  admission: Admission;
  onClose: (channel: Channel) => void;
}

type Reply = { status: "ok" | "error"; response: unknown };

const OK: Reply = { status: "ok", response: {} };
const REPLICATION_CHECK_MS = 500;
const REPLICATION_DEADLINE_MS = 60_000;

export class Channel implements Subscriber {
  readonly version: Version;
  readonly joinRef: string | null;
  readonly #options: ChannelOptions;
  readonly #key: string;
  readonly #presenceKey: string;
  readonly #replayed = new Set<string>();
  #presenceEnabled: boolean;
  #admission: Admission;
  #expiry: { stop(): void } | null = null;
  #closed = false;

  constructor(options: ChannelOptions) {
    const { client, name, request, admission, joinRef } = options;
    this.#options = options;
    this.version = client.version;
    this.joinRef = joinRef;
    this.#key = topicKey(name, request.isPrivate);
    this.#presenceKey = request.presence.key ?? randomUUID();
    this.#presenceEnabled = request.presence.enabled;
    this.#admission = admission;
    this.#watchExpiry();
  }

  /** Starts listening, before the reply is sent: whatever is published from here on arrives. */
  open(replayed: ReplayedMessage[]): void {
    for (const { id } of replayed) this.#replayed.add(id);
    this.#options.service.topics.add(this.#key, this);
  }

  /** What follows the reply: replayed messages, who is present, and what the client has to be told. */
  async settle(replayed: ReplayedMessage[]): Promise<void> {
    const { request } = this.#options;
    for (const { id, event, payload } of replayed) {
      this.#push("broadcast", { type: "broadcast", event, payload, meta: { id, replayed: true } });
    }
    if (this.#presenceEnabled) this.#pushPresenceState();
    if (request.postgresChanges.length > 0) {
      const refusal = await refuseChanges(this.#options.service.sql, request.postgresChanges);
      this.#system("postgres_changes", "error", refusal);
    }
    if (request.broadcast.replicationReady) await this.#tellReplicationReady();
  }

  takes({ kind, id }: Post): boolean {
    const { read } = this.#admission;
    return kind === "presence" ? read.presence : read.broadcast && (id === null || !this.#replayed.has(id));
  }

  receive(encoded: string | Buffer): void {
    this.#options.client.send(encoded);
  }

  /** The answer to the client, or null for none. */
  async handle(frame: Incoming): Promise<Reply | null> {
    if (frame.event === "broadcast") return await this.#broadcast(frame.body);
    const payload = frame.body.form === "json" ? object(frame.body.payload) : {};
    if (frame.event === "access_token") return await this.#renew(payload["access_token"]);
    if (frame.event === "presence") return await this.#presence(payload);
    return null;
  }

  async #broadcast(body: Incoming["body"]): Promise<Reply | null> {
    const { service, request, name } = this.#options;
    const ack = request.broadcast.ack;
    // A client that may not write hears nothing, as on hosted: its send() times out.
    if (!await this.#mayWrite("broadcast")) return null;
    const bytes = body.form === "user"
      ? body.bytes.length
      : Buffer.byteLength(JSON.stringify(body.payload ?? {}));
    if (bytes > maxBroadcastBytes(service.limits)) {
      service.log(`realtime: a client's broadcast of ${bytes} bytes was dropped`);
      return ack ? { status: "error", response: "payload_size_exceeded" } : null;
    }
    const delivery: Delivery = body.form === "user"
      ? { ...body, meta: null }
      : { form: "json", event: "broadcast", payload: body.payload ?? {} };
    const except = request.broadcast.self ? null : this;
    service.topics.publish(name, request.isPrivate, { delivery, id: null, kind: "broadcast" }, except);
    return ack ? OK : null;
  }

  async #mayWrite(extension: "broadcast" | "presence"): Promise<boolean> {
    try {
      return await this.#admission.mayWrite(extension);
    } catch (error) {
      this.#options.service.log(`realtime: ${error}`);
      return false;
    }
  }

  async #renew(token: unknown): Promise<null> {
    if (typeof token !== "string" || isApiKey(token) || token === this.#admission.token) return null;
    const { service, client, name, request } = this.#options;
    const before = this.#admission.read;
    try {
      const presence = this.#presenceEnabled;
      const { headers } = client;
      this.#admission = await admit(service, {
        name,
        isPrivate: request.isPrivate,
        presence,
        token,
        headers,
      });
    } catch (error) {
      this.shutDown(error instanceof Refusal ? error.message : String(error));
      return null;
    }
    const { read } = this.#admission;
    if ((before.broadcast && !read.broadcast) || (before.presence && !read.presence)) {
      this.shutDown(`You no longer have permission to read from this Channel topic: ${name}`);
      return null;
    }
    this.#watchExpiry();
    return null;
  }

  async #presence(payload: Record<string, unknown>): Promise<Reply> {
    const { presences } = this.#options.service;
    const event = String(payload["event"]).toLowerCase();
    if (event === "untrack") {
      this.#publishPresence(presences.untrack(this.#key, this));
      return OK;
    }
    if (event !== "track") return { status: "error", response: {} };
    const starts = !this.#presenceEnabled;
    if (starts) await this.#admission.askPresence();
    if (!await this.#mayWrite("presence") || this.#closed) return OK;
    this.#presenceEnabled = true;
    const diff = presences.track(this.#key, this, this.#presenceKey, object(payload["payload"]));
    if (starts) this.#pushPresenceState();
    this.#publishPresence(diff);
    return OK;
  }

  #publishPresence(diff: PresenceDiff | null): void {
    if (diff === null) return;
    const { service, name, request } = this.#options;
    const delivery: Delivery = { form: "json", event: "presence_diff", payload: diff };
    service.topics.publish(name, request.isPrivate, { delivery, id: null, kind: "presence" });
  }

  #pushPresenceState(): void {
    if (!this.#admission.read.presence) return;
    this.#push("presence_state", this.#options.service.presences.state(this.#key));
  }

  async #tellReplicationReady(): Promise<void> {
    const { service } = this.#options;
    for (let waitedMs = 0; !service.streaming(); waitedMs += REPLICATION_CHECK_MS) {
      if (waitedMs >= REPLICATION_DEADLINE_MS) {
        return this.shutDown("Replication connection was not established in time");
      }
      if (!await service.pause(REPLICATION_CHECK_MS) || this.#closed) return;
    }
    this.#system("system", "ok", "Replication connection established");
  }

  #watchExpiry(): void {
    this.#expiry?.stop();
    this.#expiry = watchExpiry(this.#admission.claims, (message) => this.shutDown(message));
  }

  /** Says why, then closes. */
  shutDown(message: string): void {
    if (this.#closed) return;
    this.#system("system", "error", message);
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.end();
    this.#push("phx_close", {}, this.joinRef);
  }

  /** Leaves the topic without a word: the socket is gone, or says it itself. */
  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#expiry?.stop();
    const { service } = this.#options;
    service.topics.remove(this.#key, this);
    this.#publishPresence(service.presences.untrack(this.#key, this));
    this.#options.onClose(this);
  }

  #system(extension: string, status: "ok" | "error", message: string): void {
    this.#push("system", { extension, status, message, channel: this.#options.name });
  }

  #push(event: string, payload: unknown, ref: string | null = null): void {
    const { client, name } = this.#options;
    client.send(
      encode(this.version, { joinRef: this.joinRef, ref, topic: `realtime:${name}`, event, payload }),
    );
  }
}
