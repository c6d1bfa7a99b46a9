// What is asked for: kept as a draft with each keystroke, so that nothing is lost with the page.

import { type FormEvent, useId, useState } from "react";
import { GenerationError } from "../../../../shared/client/mod.ts";
import { useAccount, useDraft, useModels, useService } from "../../../../shared/client/react/mod.ts";
import { useAct } from "../parts/act.ts";
import { Icon } from "../parts/icon.tsx";
import { useNotice } from "../parts/notice.tsx";
import { credits } from "../words.ts";
import { Inputs } from "./inputs.tsx";
import { Ratios } from "./ratios.tsx";

export function Composer() {
  const service = useService();
  const models = useModels();
  const account = useAccount();
  const { draft, edit, start } = useDraft();
  const { tell } = useNotice();
  const [isUploading, setUploading] = useState(false);
  /** On a wide screen they are always there. */
  const [hasOptions, setOptions] = useState(false);
  const optionsId = useId();
  const problemId = useId();
  const words = draft?.words ?? {};
  const model = models?.find(({ id }) => id === words.modelId) ?? models?.[0];
  const ratio = model?.aspectRatios.find((each) => each === words.aspectRatio) ?? model?.aspectRatios[0];
  const prompt = words.prompt ?? "";
  const inputs = words.inputPaths ?? [];
  const count = Math.min(words.numImages ?? 1, model?.maxImages ?? 1);
  const price = (model?.creditsPerImage ?? 0) * count;
  const missing = !model || !ratio
    ? "The models are being read."
    : prompt.trim() === ""
    ? "Say what it should show."
    : isUploading
    ? "The reference image is on its way."
    : inputs.length < model.minInputs
    ? `${model.label} needs a reference image.`
    : account && account.balance < price
    ? `It costs ${credits(price)}; you have ${account.balance}.`
    : null;

  const send = useAct(async () => {
    if (!model || !ratio) return;
    const sent = edit({
      ...words,
      modelId: model.id,
      aspectRatio: ratio,
      numImages: count,
      inputPaths: inputs.slice(0, model.maxInputs),
    });
    try {
      await start();
      tell("On its way.");
    } catch (error) {
      if (!(error instanceof GenerationError) || error.code !== "offline") throw error;
      tell("Kept. It is sent once there is a network.");
    }
    // What was typed meanwhile is the next one.
    const now = service.drafts.get(sent.id);
    if (now?.words.prompt === prompt) edit({ prompt: "", inputPaths: [] });
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    if (missing === null) send.act();
  }

  return (
    <section className="composer card" aria-label="New picture">
      <form onSubmit={submit} className="stack">
        <label className="field">
          <span className="field-name">What should it show?</span>
          <textarea
            rows={3}
            value={prompt}
            maxLength={model?.maxPromptCharacters}
            placeholder="A lighthouse in a storm, oil on canvas"
            onChange={({ target }) => edit({ prompt: target.value })}
          />
        </label>
        <button
          type="button"
          className="options-summary"
          aria-expanded={hasOptions}
          aria-controls={optionsId}
          onClick={() => setOptions(!hasOptions)}
        >
          <Icon name="sliders" />{" "}
          {model ? `${model.label} · ${ratio}${count > 1 ? ` · ${count} pictures` : ""}` : "…"}
        </button>
        <div id={optionsId} className={hasOptions ? "options stack is-open" : "options stack"}>
          <div className="two">
            <label className="field">
              <span className="field-name">Model</span>
              <select
                value={model?.id ?? ""}
                disabled={!models}
                onChange={({ target }) => edit({ modelId: target.value })}
              >
                {models?.map(({ id, label }) => <option key={id} value={id}>{label}</option>)}
              </select>
            </label>
            {model && model.maxImages > 1 && (
              <label className="field">
                <span className="field-name">Pictures</span>
                <select value={count} onChange={({ target }) => edit({ numImages: Number(target.value) })}>
                  {Array.from(
                    { length: model.maxImages },
                    (_, place) => <option key={place} value={place + 1}>{place + 1}</option>,
                  )}
                </select>
              </label>
            )}
          </div>
          {model && <p className="soft small">{model.description}</p>}
          {model && ratio && (
            <Ratios
              all={model.aspectRatios}
              chosen={ratio}
              onChoose={(aspectRatio) => edit({ aspectRatio })}
            />
          )}
        </div>
        {model && model.maxInputs > 0 && (
          <Inputs
            paths={inputs}
            most={model.maxInputs}
            onChange={(inputPaths) => edit({ inputPaths })}
            onUploading={setUploading}
          />
        )}
        <div className="composer-foot">
          <p id={problemId} className="soft small">{missing ?? "Kept as a draft until it is sent."}</p>
          <button
            type="submit"
            className="primary"
            aria-disabled={missing !== null || send.isBusy}
            aria-describedby={problemId}
          >
            <Icon name="spark" /> {send.isBusy ? "Sending…" : `Make it · ${credits(price)}`}
          </button>
        </div>
      </form>
    </section>
  );
}
