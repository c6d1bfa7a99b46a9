// Reference images: uploaded as they are chosen, so that the tap itself need not wait.

import { useEffect, useRef, useState } from "react";
import { useService } from "../../../../shared/client/react/mod.ts";
import { Icon } from "../parts/icon.tsx";
import { useNotice } from "../parts/notice.tsx";

interface Uploading {
  name: string;
  /** 0 to 1. */
  done: number;
  leaving: AbortController;
}

export function Inputs({ paths, most, onChange, onUploading }: {
  paths: readonly string[];
  most: number;
  onChange: (paths: string[]) => void;
  onUploading: (isUploading: boolean) => void;
}) {
  const service = useService();
  const { fail } = useNotice();
  const [uploading, setUploading] = useState<Uploading | null>(null);
  /** Path → the file as the page has it. */
  const [previews] = useState(() => new Map<string, string>());
  const latest = useRef(paths);
  latest.current = paths;
  useEffect(() => () => previews.forEach((url) => URL.revokeObjectURL(url)), [previews]);
  useEffect(() => onUploading(uploading !== null), [uploading, onUploading]);

  async function upload(file: File) {
    const leaving = new AbortController();
    setUploading({ name: file.name, done: 0, leaving });
    try {
      const path = await service.uploadInput(file, {
        signal: leaving.signal,
        onProgress: (sent, total) => setUploading({ name: file.name, done: sent / total, leaving }),
      });
      previews.set(path, URL.createObjectURL(file));
      onChange([...latest.current, path]);
    } catch (error) {
      if (!leaving.signal.aborted) fail(error);
    } finally {
      setUploading(null);
    }
  }

  return (
    <div className="inputs" role="group" aria-label="Reference images">
      {paths.map((path, place) => (
        <span key={path} className="input-chip">
          {previews.has(path)
            ? <img src={previews.get(path)} alt={`Reference ${place + 1}`} />
            : `Reference ${place + 1}`}
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove reference ${place + 1}`}
            onClick={() => onChange(paths.filter((each) => each !== path))}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      {uploading && (
        <span className="input-chip">
          <progress value={uploading.done} aria-label={`Uploading ${uploading.name}`} />
          <button
            type="button"
            className="icon-button"
            aria-label="Stop the upload"
            onClick={() => uploading.leaving.abort()}
          >
            <Icon name="close" />
          </button>
        </span>
      )}
      {paths.length < most && !uploading && (
        <label className="button">
          <Icon name="plus" /> Reference image
          <input
            type="file"
            accept="image/jpeg,image/png,image/webp"
            className="hidden"
            onChange={({ target }) => {
              const [file] = target.files ?? [];
              target.value = "";
              if (file) void upload(file);
            }}
          />
        </label>
      )}
    </div>
  );
}
