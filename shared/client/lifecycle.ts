// When the app comes back: to the foreground, or to a network. What was pushed meanwhile is read again then.

export interface Lifecycle {
  /** Calls `listener` when the app comes to the foreground or goes online; answers how to stop that. */
  onReturn(listener: () => void): () => void;
  /** Calls `listener` when the app leaves the foreground. */
  onLeave(listener: () => void): () => void;
}

/** For processes that are never in the background: scripts and servers. */
export const alwaysThere: Lifecycle = { onReturn: () => () => {}, onLeave: () => () => {} };

export function webLifecycle(): Lifecycle {
  const whenVisible = (wanted: boolean, listener: () => void) => {
    const look = () => {
      if ((document.visibilityState === "visible") === wanted) listener();
    };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  };
  return {
    onReturn(listener) {
      const stop = whenVisible(true, listener);
      addEventListener("online", listener);
      // From the back-forward cache, where timers and sockets stood still.
      addEventListener("pageshow", listener);
      return () => {
        stop();
        removeEventListener("online", listener);
        removeEventListener("pageshow", listener);
      };
    },
    onLeave: (listener) => whenVisible(false, listener),
  };
}

/** The parts of React Native's AppState that are needed. */
export interface AppStateLike {
  addEventListener(type: "change", listener: (state: string) => void): { remove(): void };
}

/** `nativeLifecycle(AppState)`, with `AppState` from react-native. */
export function nativeLifecycle(appState: AppStateLike): Lifecycle {
  const on = (wanted: (state: string) => boolean, listener: () => void) => {
    const subscription = appState.addEventListener("change", (state) => {
      if (wanted(state)) listener();
    });
    return () => subscription.remove();
  };
  return {
    onReturn: (listener) => on((state) => state === "active", listener),
    onLeave: (listener) => on((state) => state === "background", listener),
  };
}

/** The browser's where there is a document; else none, and React Native hands in its own. */
export function defaultLifecycle(): Lifecycle {
  return typeof document === "undefined" ? alwaysThere : webLifecycle();
}
