// One user's part of the given storage: JSON under names, each write in its turn.

import type * as z from "zod";
import type { KeyValueStorage } from "./storage.ts";

const root = "genflow/1/";

export interface Shelf {
  /** What is kept under names that begin with `prefix`; what this version cannot read is passed over. */
  load<Value>(prefix: string, schema: z.ZodType<Value>): Promise<Value[]>;
  get<Value>(name: string, schema: z.ZodType<Value>): Promise<Value | null>;
  /** Resolves once it is kept, or the storage has refused: a full storage must not keep anybody from generating. */
  set(name: string, value: unknown): Promise<void>;
  remove(name: string): Promise<void>;
  /** Names that another tab has changed. */
  onChange(listener: (name: string) => void): () => void;
  /** Removes everything of this user. */
  clear(): Promise<void>;
  /** Resolves once what was to be kept is kept. Calls that are still under way then change nothing any more. */
  close(): Promise<void>;
}

export function createShelf(storage: KeyValueStorage, userId: string): Shelf {
  const own = `${root}${userId}/`;
  let turn: Promise<void> = Promise.resolve();
  let isClosed = false;
  /** In the order of the calls: AsyncStorage promises none. */
  const inTurn = (write: () => Promise<void> | void) =>
    isClosed ? Promise.resolve() : turn = turn.then(write).catch(() => {});
  const read = async <Value>(key: string, schema: z.ZodType<Value>): Promise<Value | null> => {
    const text = await storage.getItem(key);
    return text === null ? null : schema.safeParse(parsed(text)).data ?? null;
  };
  const keys = async (prefix = "") =>
    (await storage.getAllKeys()).filter((key) => key.startsWith(own + prefix));
  return {
    async load(prefix, schema) {
      await turn;
      const found = await Promise.all((await keys(prefix)).map((key) => read(key, schema)));
      return found.filter((value) => value !== null);
    },
    async get(name, schema) {
      await turn;
      return await read(own + name, schema);
    },
    set: (name, value) => inTurn(() => storage.setItem(own + name, JSON.stringify(value))),
    remove: (name) => inTurn(() => storage.removeItem(own + name)),
    onChange: (listener) =>
      storage.onChange?.((key) => {
        if (key.startsWith(own)) listener(key.slice(own.length));
      }) ?? (() => {}),
    clear: () =>
      inTurn(async () => {
        for (const key of await keys()) await storage.removeItem(key);
      }),
    close() {
      isClosed = true;
      return turn;
    },
  };
}

/** Removes what was kept for anybody but `userId`. */
export async function clearOthers(storage: KeyValueStorage, userId: string): Promise<void> {
  for (const key of await storage.getAllKeys()) {
    if (key.startsWith(root) && !key.startsWith(`${root}${userId}/`)) await storage.removeItem(key);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Cut short by a crash of its writer: as if it had not been written.
    return null;
  }
}
