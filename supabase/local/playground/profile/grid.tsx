// A grid of squares of which only those near the window are there: ten thousand pictures cost what sixty do.

import { useLayoutEffect, useRef, useState } from "react";
import type { GenerationModel } from "../../../../shared/client/mod.ts";
import type { Entry } from "./entries.ts";
import { Tile } from "./tile.tsx";

const gapPx = 10;
const leastTilePx = 150;
/** Rows beyond the window's edges, so that a flick finds something. */
const spareRows = 3;

interface Window {
  columns: number;
  rowPx: number;
  first: number;
  last: number;
}

export function Grid({ entries, models, onOpen, onEnd }: {
  entries: readonly Entry[];
  models: readonly GenerationModel[];
  onOpen: (entry: Entry) => void;
  /** The last rows are near. */
  onEnd: () => void;
}) {
  const place = useRef<HTMLUListElement>(null);
  const [shown, setShown] = useState<Window>({ columns: 2, rowPx: leastTilePx, first: 0, last: 8 });
  const rows = Math.ceil(entries.length / shown.columns);
  const latest = useRef({ rows, onEnd });
  latest.current = { rows, onEnd };

  useLayoutEffect(() => {
    const list = place.current!;
    let frame = 0;
    function look() {
      frame = 0;
      const { top, width } = list.getBoundingClientRect();
      const columns = Math.max(2, Math.floor((width + gapPx) / (leastTilePx + gapPx)));
      const rowPx = (width - gapPx * (columns - 1)) / columns + gapPx;
      const first = Math.max(0, Math.floor(-top / rowPx) - spareRows);
      const last = Math.ceil((innerHeight - top) / rowPx) + spareRows;
      setShown((before) =>
        before.columns === columns && before.rowPx === rowPx && before.first === first && before.last === last
          ? before
          : { columns, rowPx, first, last }
      );
      if (last >= latest.current.rows - spareRows) latest.current.onEnd();
    }
    const soon = () => frame ||= requestAnimationFrame(look);
    const sizes = new ResizeObserver(soon);
    sizes.observe(list);
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    look();
    return () => {
      cancelAnimationFrame(frame);
      sizes.disconnect();
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
    // More entries make another end.
  }, [entries.length]);

  const { columns, rowPx, first, last } = shown;
  const visible = entries.slice(first * columns, last * columns);
  return (
    <ul
      ref={place}
      className="grid"
      style={{ height: Math.max(0, rows * rowPx - gapPx), ["--columns" as string]: columns }}
    >
      {visible.map((entry, index) => {
        const number = first * columns + index;
        return (
          <li
            key={entry.id}
            style={{
              width: rowPx - gapPx,
              height: rowPx - gapPx,
              transform: `translate(${(number % columns) * rowPx}px, ${
                Math.floor(number / columns) * rowPx
              }px)`,
            }}
            aria-setsize={entries.length}
            aria-posinset={number + 1}
          >
            <Tile entry={entry} models={models} onOpen={() => onOpen(entry)} />
          </li>
        );
      })}
    </ul>
  );
}
