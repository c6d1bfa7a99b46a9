// A stored picture: its thumbhash at once, its bytes when they are there.

import { useMemo, useState } from "react";
import { thumbHashToDataURL } from "thumbhash";
import type { GenerationRecord } from "../../../../shared/client/mod.ts";
import { useImageUrl } from "../../../../shared/client/react/mod.ts";

type Image = GenerationRecord["images"][number];

export function Picture({ image, alt, isWhole = false }: {
  image: Image;
  alt: string;
  /** The original instead of the thumbnail. */
  isWhole?: boolean;
}) {
  const path = isWhole ? image.path : image.thumbPath ?? image.path;
  const url = useImageUrl(path);
  const [isThere, setThere] = useState(false);
  const placeholder = useMemo(
    () =>
      image.thumbhash && thumbHashToDataURL(Uint8Array.from(atob(image.thumbhash), (c) => c.charCodeAt(0))),
    [image.thumbhash],
  );
  return (
    <span
      className={isThere ? "picture is-there" : "picture"}
      style={{
        ...(placeholder && { backgroundImage: `url(${placeholder})` }),
        ...(isWhole && { aspectRatio: `${image.width} / ${image.height}` }),
      }}
    >
      {url
        ? (
          <img
            src={url}
            alt={alt}
            width={image.width}
            height={image.height}
            decoding="async"
            onLoad={() => setThere(true)}
          />
        )
        : <span role="img" aria-label={alt} />}
    </span>
  );
}
