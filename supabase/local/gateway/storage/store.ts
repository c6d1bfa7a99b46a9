// What every storage route works with.

import type { Access } from "./access.ts";
import type { Blobs } from "./blobs.ts";
import type { Parts } from "./parts.ts";
import type { SignedUrls } from "./signed.ts";

export interface Store {
  access: Access;
  blobs: Blobs;
  parts: Parts;
  signed: SignedUrls;
}
