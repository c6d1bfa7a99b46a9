// All in one request.

import { clientError } from "../error.ts";
import type { Ask } from "./ask.ts";
import type { Upload, Way } from "./upload.ts";

export function createPlain({ base, bucket, name, contentType, bytes, onProgress }: Upload, ask: Ask): Way {
  return {
    async advance() {
      const headers = { "content-type": contentType, "cache-control": "max-age=3600", "x-upsert": "false" };
      const url = `${base}/object/${bucket}/${name}`;
      const { status } = await ask({ method: "POST", url, headers, body: bytes }, onProgress);
      // The name is this upload's own: what is there already came by a request whose answer was lost.
      if (status >= 300 && status !== 409) throw clientError("unexpected_answer");
    },
    end: () => Promise.resolve(),
  };
}
