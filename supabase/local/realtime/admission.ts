// Lets a token into a channel: its claims, and on a private channel what the policies say. Kept for the channel's
// life; only a new token is asked about again, so a membership taken away in the database is noticed then.

import {
  type Asker,
  askReadRights,
  askWriteRight,
  type Extension,
  type ReadRights,
} from "./authorization.ts";
import { Refusal } from "./refusal.ts";
import type { Service } from "./service.ts";
import type { JwtClaims } from "./token.ts";

export interface Admission {
  token: string;
  claims: JwtClaims;
  read: ReadRights;
  /** Asked on the first broadcast or track, not on joining. */
  mayWrite(extension: Extension): Promise<boolean>;
  /** For a presence that starts after the join. */
  askPresence(): Promise<void>;
}

export interface Applicant {
  /** The bare name of the topic. */
  name: string;
  isPrivate: boolean;
  presence: boolean;
  token: string;
  headers: Record<string, string>;
}

/** Throws Refusal. */
export async function admit(service: Service, applicant: Applicant): Promise<Admission> {
  const { name, isPrivate, token, headers } = applicant;
  const claims = await service.tokens.read(token);
  await service.wake();
  const asker: Asker = { topic: name, claims, headers };
  const read = isPrivate
    ? await askReadRights(service.sql, asker, applicant.presence)
    : { broadcast: true, presence: true };
  if (!read.broadcast && !read.presence) {
    throw new Refusal("Unauthorized", `You do not have permissions to read from this Channel topic: ${name}`);
  }
  const writes = new Map<Extension, boolean>();
  return {
    token,
    claims,
    read,
    mayWrite: async (extension) => {
      if (!isPrivate) return true;
      const known = writes.get(extension);
      if (known !== undefined) return known;
      const granted = await askWriteRight(service.sql, asker, extension);
      writes.set(extension, granted);
      return granted;
    },
    askPresence: async () => {
      if (isPrivate) read.presence = (await askReadRights(service.sql, asker, true)).presence;
    },
  };
}
