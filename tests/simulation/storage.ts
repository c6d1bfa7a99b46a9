// Object storage, simulated: it may be full, slow, broken, keep less than it was given or lose its answer.

import { createHash } from "node:crypto";
import type { Fault, Faults } from "./faults.ts";
import type { Random } from "./random.ts";

export interface StoredObject {
  bytes: Uint8Array<ArrayBuffer>;
  sha256: string;
}

export interface UploadPlan {
  fault: Fault | null;
  seconds: number;
}

export interface SimulatedStorage {
  readonly objects: Map<string, StoredObject>;
  plan(): UploadPlan;
  put(
    bucket: string,
    path: string,
    bytes: Uint8Array<ArrayBuffer>,
    plan: UploadPlan,
  ): Promise<"stored" | "taken">;
  get(bucket: string, path: string): Blob | null;
  has(bucket: string, path: string): boolean;
  remove(bucket: string, paths: string[]): Promise<void>;
}

export function createStorage(options: {
  random: Random;
  faults: Faults;
  /** The database's own row of an object, which the real Storage keeps. */
  noteStored: (bucket: string, path: string, bytes: number) => Promise<void>;
  noteRemoved: (bucket: string, paths: string[]) => Promise<void>;
}): SimulatedStorage {
  const { random, faults } = options;
  const objects = new Map<string, StoredObject>();
  const name = (bucket: string, path: string) => `${bucket}/${path}`;
  return {
    objects,
    plan() {
      const fault = faults.oneOf(
        "storage: 5xx",
        "storage: quota",
        "storage: slow",
        "storage: short object",
        "storage: answer lost",
      );
      return {
        fault,
        seconds: fault === "storage: slow" ? random.between(20, 300) : random.between(0.05, 1),
      };
    },
    async put(bucket, path, bytes, { fault }) {
      if (fault !== null) faults.seen(fault);
      if (fault === "storage: 5xx" || fault === "storage: quota") throw new Error("upload failed");
      if (objects.has(name(bucket, path))) return "taken";
      const kept = fault === "storage: short object"
        ? bytes.slice(0, random.integer(0, bytes.byteLength - 1))
        : bytes;
      objects.set(name(bucket, path), {
        bytes: kept,
        sha256: createHash("sha256").update(kept).digest("hex"),
      });
      await options.noteStored(bucket, path, kept.byteLength);
      if (fault === "storage: answer lost") {
        throw new Error("upload failed");
      }
      return "stored";
    },
    get(bucket, path) {
      const found = objects.get(name(bucket, path));
      if (found === undefined) return null;
      // At once: a Blob's own reading takes turns of the loop.
      return Object.assign(new Blob([found.bytes]), {
        arrayBuffer: () => Promise.resolve(found.bytes.slice().buffer),
      });
    },
    has: (bucket, path) => objects.has(name(bucket, path)),
    async remove(bucket, paths) {
      for (const path of paths) objects.delete(name(bucket, path));
      await options.noteRemoved(bucket, paths);
    },
  };
}
