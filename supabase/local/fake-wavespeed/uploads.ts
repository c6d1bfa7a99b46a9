// Files that were sent in, and tickets for such that are announced. They live 7 days.

import { randomBytes } from "node:crypto";
import { retentionMs } from "./settings.ts";

export interface Upload {
  /** Null until the announced file has come. */
  bytes: Uint8Array | null;
  contentType: string;
  size: number;
  createdAtMs: number;
}

export interface File {
  bytes: Uint8Array;
  contentType: string;
}

const maxKept = 500;
/** A ticket that is not used in time is worth nothing. */
export const ticketMs = 60 * 60 * 1000;

export class Uploads {
  readonly #kept = new Map<string, Upload>();

  /** Answers its name. */
  add(upload: Upload): string {
    const name = randomBytes(16).toString("hex");
    this.#kept.set(name, upload);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxKept) break;
      this.#kept.delete(oldest);
    }
    return name;
  }

  ticket(name: string, nowMs: number): Upload | null {
    const upload = this.#kept.get(name);
    if (upload === undefined || upload.bytes !== null) return null;
    return nowMs - upload.createdAtMs < ticketMs ? upload : null;
  }

  file(name: string, nowMs: number): File | "expired" | null {
    const upload = this.#kept.get(name);
    if (upload === undefined || upload.bytes === null) return null;
    if (nowMs - upload.createdAtMs >= retentionMs) return "expired";
    return { bytes: upload.bytes, contentType: upload.contentType };
  }

  clear(): void {
    this.#kept.clear();
  }
}
