// One way to read the provider where its sources disagree: a value of a switch of the stand-in, and what our client
// makes of a provider that behaves so.

import type { Settings } from "../../../supabase/local/fake-wavespeed/settings.ts";
import type { Provider } from "../fake-provider.ts";

export interface Reading {
  setting: keyof Settings;
  value: unknown;
  /** What the client makes of it. */
  then: string;
  /** The switch is set when this begins; tasks run for a minute of the stand-in's clock. */
  prove(provider: Provider): Promise<void>;
}

/** The same proof for several values. */
export function each(
  setting: Reading["setting"],
  then: string,
  values: readonly unknown[],
  prove: (provider: Provider, value: unknown) => Promise<void>,
): Reading[] {
  return values.map((value) => ({ setting, value, then, prove: (provider) => prove(provider, value) }));
}
