// Password hashes. Cheap on purpose: hosted's bcrypt costs 100 ms, and tests sign up many users.

import { randomBytes, scrypt, type ScryptOptions, timingSafeEqual } from "node:crypto";
import { weakPassword } from "./errors.ts";

const MINIMUM_LENGTH = 6; // hosted's default
const HASH_BYTES = 32;
const COST: ScryptOptions = { N: 1024, r: 8, p: 1 };

export async function hashPassword(password: string): Promise<string> {
  if (password.length < MINIMUM_LENGTH) throw weakPassword(MINIMUM_LENGTH);
  const salt = randomBytes(16);
  const hash = await derive(password, salt);
  return `scrypt$${salt.toString("base64url")}$${hash.toString("base64url")}`;
}

export async function passwordMatches(password: string, stored: string | null): Promise<boolean> {
  const [kind, salt, hash] = stored?.split("$") ?? [];
  if (kind !== "scrypt" || !salt || !hash) return false;
  return timingSafeEqual(
    await derive(password, Buffer.from(salt, "base64url")),
    Buffer.from(hash, "base64url"),
  );
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, COST, (error, key) => error ? reject(error) : resolve(key));
  });
}
