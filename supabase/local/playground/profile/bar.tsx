// How far something is: a part of the whole, or only that it moves.

export function Bar({ done, label }: { done: number | null; label: string }) {
  return (
    <span
      className={done === null ? "bar is-open" : "bar"}
      role="progressbar"
      aria-label={label}
      {...(done !== null && { "aria-valuenow": Math.round(done * 100) })}
    >
      <span style={{ transform: `scaleX(${done ?? 0.3})` }} />
    </span>
  );
}
