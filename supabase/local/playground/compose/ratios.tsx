// The shapes a model makes, as shapes.

import { useId } from "react";

export function Ratios({ all, chosen, onChoose }: {
  all: readonly string[];
  chosen: string;
  onChoose: (ratio: string) => void;
}) {
  const name = useId();
  return (
    <fieldset className="ratios">
      <legend className="field-name">Shape</legend>
      {all.map((ratio) => {
        const [width = 1, height = 1] = ratio.split(":").map(Number);
        const scale = 20 / Math.max(width, height);
        return (
          <label key={ratio} className="ratio">
            <input
              type="radio"
              name={name}
              value={ratio}
              checked={ratio === chosen}
              onChange={() => onChoose(ratio)}
            />
            <span
              className="shape"
              style={{ width: width * scale, height: height * scale }}
              aria-hidden="true"
            />
            {ratio}
          </label>
        );
      })}
    </fieldset>
  );
}
