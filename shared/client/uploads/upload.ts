// What is uploaded, and the ways to do it.

import type { Ask } from "./ask.ts";
import type { Bytes } from "./send.ts";

export interface Upload {
  /** Storage's address. */
  base: string;
  bucket: string;
  name: string;
  contentType: string;
  bytes: Bytes;
  total: number;
  onProgress(sent: number): void;
}

export interface Way {
  /** Sends what Storage has not got; called again after an error that passes it goes on. */
  advance(): Promise<void>;
  /** Gives up what was sent. */
  end(ask: Ask): Promise<void>;
}
