// A picture's address while it is shown.

import { useEffect, useState } from "react";
import { useService } from "./provider.ts";

/** Of a picture's `path` or `thumbPath`; null until it is known, and where it cannot be had: the placeholder stays. */
export function useImageUrl(path: string | null): string | null {
  const service = useService();
  const [shown, setShown] = useState<{ path: string; url: string } | null>(null);
  useEffect(() => {
    if (path === null) return;
    const leaving = new AbortController();
    service.images.url(path, { signal: leaving.signal }).then((url) => setShown({ path, url }), () => {});
    return () => leaving.abort();
  }, [service, path]);
  return shown?.path === path ? shown.url : null;
}
