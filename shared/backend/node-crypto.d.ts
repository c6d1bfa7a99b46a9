// What digest.ts uses of node:crypto, so that checking a function's types does not want all of Node's.

export interface Hash {
  update(chunk: Uint8Array): Hash;
  digest(encoding: "hex"): string;
}
export function createHash(algorithm: "sha256"): Hash;
