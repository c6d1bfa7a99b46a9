// How Postgres values become JSON in the Data API, as PostgREST writes them.

import type { PostgresType } from "postgres";

const JSON_OID = 114;
const JSONB_OID = 3802;
const NUMERIC_OID = 1700;
const TIMESTAMP_OID = 1114;
const TIMESTAMPTZ_OID = 1184;

export const restTypes: Record<string, PostgresType> = {
  json: jsonType(JSON_OID),
  jsonb: jsonType(JSONB_OID),
  numeric: { to: NUMERIC_OID, from: [NUMERIC_OID], serialize: String, parse: Number },
  timestamp: textTime(TIMESTAMP_OID, (text) => text.replace(" ", "T")),
  timestamptz: textTime(
    TIMESTAMPTZ_OID,
    (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"),
  ),
};

// Lite has turned an object argument of rpc() into JSON text already; encoding it again would store a JSON string.
function jsonType(oid: number): PostgresType {
  return {
    to: oid,
    from: [oid],
    parse: JSON.parse,
    serialize: (value: unknown) => isJsonText(value) ? value : JSON.stringify(value),
  };
}

function isJsonText(value: unknown): boolean {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return false;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false; // text that only looks like JSON
  }
}

function textTime(oid: number, parse: (text: string) => string): PostgresType {
  return { to: oid, from: [oid], serialize: (value: unknown) => value, parse };
}
