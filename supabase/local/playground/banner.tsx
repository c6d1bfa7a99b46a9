// Why what is shown may be behind.

import { useEffect, useState } from "react";
import { useConnection } from "../../../shared/client/react/mod.ts";
import { Icon } from "./parts/icon.tsx";
import { useOnline } from "./parts/now.ts";

/** Joining anew takes a moment, of which nobody needs to hear. */
const patienceMs = 3000;

export function Banner() {
  const isOnline = useOnline();
  const isLost = useConnection() === "lost";
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    if (!isLost) return setLong(false);
    const timer = setTimeout(() => setLong(true), patienceMs);
    return () => clearTimeout(timer);
  }, [isLost]);
  const text = !isOnline
    ? "You are offline. What you ask for is kept, and sent once there is a network."
    : isLost && isLong
    ? "Live updates are interrupted. Pictures still arrive, a little later."
    : null;
  return (
    <div role="status" aria-live="polite">
      {text && (
        <p className="banner">
          <Icon name="cloud" /> {text}
        </p>
      )}
    </div>
  );
}
