// No file holds a secret that could be somebody's.

import { expect, test } from "vitest";
import { textFiles } from "./source-files.ts";

interface Kind {
  what: string;
  form: RegExp;
  /** Files that hold published example values. */
  examples?: RegExp;
}

const kinds: Kind[] = [
  { what: "a secret key of Supabase", form: /sb_secret_[A-Za-z0-9_-]{20,}/ },
  { what: "an access token of Supabase", form: /\bsbp_[0-9a-f]{40}\b/ },
  { what: "a webhook secret", form: /whsec_[A-Za-z0-9+/_=-]{30,}/, examples: /^tests\/wavespeed\// },
  { what: "a private key", form: /-----BEGIN [A-Z ]*PRIVATE KEY-----/ },
  { what: "a signed token", form: /\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}/ },
  {
    what: "a password in a database address",
    form: /postgres(ql)?:\/\/[^\s:@/"'`$]+:(?!postgres@)[^\s:@/"'`$[<{]{8,}@(?!127\.0\.0\.1|localhost)/,
  },
];

test.each(kinds)("no file holds $what", ({ form, examples }) => {
  const holding = textFiles().filter(({ path, text }) => form.test(text) && !examples?.test(path)).map((
    { path },
  ) => path);
  expect(holding).toEqual([]);
});

// Put together here, so that this file is not found itself.
test.each([
  ["sb_secret", "_", "N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"],
  ["sbp", "_", "0123456789abcdef0123456789abcdef01234567"],
  ["whsec", "_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ"],
  ["-----BEGIN ", "", "EC PRIVATE KEY-----"],
  ["eyJhbGciOiJFUzI1NiJ9abc", ".", "eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLXRva2Vu"],
  ["postgresql://postgres.ref", ":", "correct-horse-battery@db.example.com:5432/postgres"],
])("%s%s… would be found", (...parts) => {
  expect(kinds.filter(({ form }) => form.test(parts.join("")))).toHaveLength(1);
});

test("no environment file travels with the project, only its example", () => {
  const environments = textFiles().filter(({ path }) =>
    /(^|\/)\.env(\..+)?$/.test(path) && !path.endsWith(".example")
  );
  expect(environments.map(({ path }) => path)).toEqual([]);
});
