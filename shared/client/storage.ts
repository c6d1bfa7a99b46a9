// Where records and drafts outlive the app: the part of AsyncStorage that is needed, and two others of its shape.

/** React Native's AsyncStorage is one as it stands. */
export interface KeyValueStorage {
  getItem(key: string): Promise<string | null> | string | null;
  setItem(key: string, value: string): Promise<void> | void;
  removeItem(key: string): Promise<void> | void;
  getAllKeys(): Promise<readonly string[]> | readonly string[];
  /** Calls `listener` with the key that another tab of the same storage has changed; where there are tabs. */
  onChange?(listener: (key: string) => void): () => void;
}

/** Forgets with the page or process: for tests, scripts and servers. */
export function memoryStorage(): KeyValueStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
    getAllKeys: () => [...items.keys()],
  };
}

/** The browser's localStorage, with its word from the other tabs. */
export function webStorage(): KeyValueStorage {
  return {
    getItem: (key) => localStorage.getItem(key),
    setItem: (key, value) => localStorage.setItem(key, value),
    removeItem: (key) => localStorage.removeItem(key),
    getAllKeys: () =>
      Array.from({ length: localStorage.length }, (_, place) => localStorage.key(place) ?? ""),
    onChange(listener) {
      const tell = ({ key, storageArea }: StorageEvent) => {
        if (storageArea === localStorage && key !== null) listener(key);
      };
      addEventListener("storage", tell);
      return () => removeEventListener("storage", tell);
    },
  };
}
