// Values of the service as they are now.

import { useEffect, useState, useSyncExternalStore } from "react";
import type { Account, GenerationModel } from "../../contract/mod.ts";
import type { ChannelState } from "../channel.ts";
import type { Live } from "../live.ts";
import type { GenerationNotification, Notifications } from "../notifications.ts";
import type { GenerationRecord } from "../record.ts";
import { useService } from "./provider.ts";

export function useLive<Value>({ subscribe, get }: Live<Value>): Value {
  return useSyncExternalStore(subscribe, get, get);
}

/** Whatever is still to come or to be decided about, the newest first. */
export function usePending(): readonly GenerationRecord[] {
  return useLive(useService().pending());
}

/** Null until it was read. */
export function useAccount(): Account | null {
  return useLive(useService().account);
}

export function useConnection(): ChannelState {
  return useLive(useService().connection);
}

/** Null while nobody is signed in. */
export function useUserId(): string | null {
  return useLive(useService().userId);
}

export function useNotifications(): Pick<Notifications, "see" | "dismiss"> & {
  all: readonly GenerationNotification[];
  unseen: number;
} {
  const { all, unseen, see, dismiss } = useService().notifications;
  return { all: useLive(all), unseen: useLive(unseen), see, dismiss };
}

/** Null until they were read; read again with who signs in, and when the network is back. */
export function useModels(): readonly GenerationModel[] | null {
  const service = useService();
  const isSignedIn = useUserId() !== null;
  const account = useAccount();
  const [models, setModels] = useState<readonly GenerationModel[] | null>(null);
  const isMissing = models === null;
  useEffect(() => {
    if (!isSignedIn || !isMissing) return;
    const leaving = new AbortController();
    // Without a network it stays null, and is asked for again with the next account that is read.
    service.models({ signal: leaving.signal }).then(setModels, () => {});
    return () => leaving.abort();
  }, [service, isSignedIn, isMissing, account]);
  return models;
}
