// The stand-in's hands: how long it takes, and what goes wrong with it.

import { useEffect, useState } from "react";
import { Dialog } from "./parts/dialog.tsx";

interface Settings {
  latencyMs: number;
  [fault: string]: unknown;
}

const faults = [
  ["failTasks", "Tasks fail", "The provider takes them and cannot make the picture."],
  ["emptyOutputs", "No pictures", "Tasks complete without any."],
  ["flagOutputs", "Flagged pictures", "They come marked as sensitive."],
  ["dropCallbacks", "Lost callbacks", "Nothing is called back; polling finds the result."],
  ["duplicateCallbacks", "Doubled callbacks", "Each one comes twice at once."],
  ["dropSubmitAnswers", "Lost answers", "The task is made and the connection cut: nobody knows whether."],
  ["rejectSubmits", "Too many requests", "Every submit is refused with 429."],
] as const;

async function ask(body?: object): Promise<Settings> {
  const answer = await fetch("/playground/provider", {
    ...(body && { method: "POST", body: JSON.stringify(body) }),
  });
  const { settings }: { settings: Settings } = await answer.json();
  return settings;
}

export function Provider({ onClose }: { onClose: () => void }) {
  const [settings, setSettings] = useState<Settings | null>(null);
  const change = (body?: object) => void ask(body).then(setSettings);
  useEffect(() => change(), []);
  return (
    <Dialog title="Stand-in provider" isSheet onClose={onClose}>
      <p className="soft">For everybody on this stack, from the next task on.</p>
      {settings && (
        <div className="stack">
          <label className="field">
            Seconds a picture takes: {settings.latencyMs / 1000}
            <input
              type="range"
              min={0}
              max={60_000}
              step={500}
              value={settings.latencyMs}
              onChange={({ target }) => change({ latencyMs: Number(target.value) })}
            />
          </label>
          {faults.map(([name, label, what]) => (
            <label key={name} className="switch">
              <input
                type="checkbox"
                checked={settings[name] === true}
                onChange={({ target }) => change({ [name]: target.checked })}
              />
              <span>
                <strong>{label}</strong>
                <span className="soft">{what}</span>
              </span>
            </label>
          ))}
          <button
            type="button"
            onClick={() =>
              change({ latencyMs: 1500, ...Object.fromEntries(faults.map(([name]) => [name, false])) })}
          >
            All well again
          </button>
        </div>
      )}
    </Dialog>
  );
}
