// The frame around the provider's answers: {"code":200,"message":"success","data":…}, and the other shapes that
// its gateways use for errors. HTTP 200 with another code inside is an error, so both are looked at.

import { parseJson } from "./prediction.ts";

export interface Envelope {
  /** The frame's own code; null where the body has no frame (HTML, an empty body, a bare object). */
  code: number | null;
  /** The most exact code said anywhere: `error_code`, else `data.code`, else `code`. */
  providerCode: number | null;
  /** The provider's words, not yet cleaned. Empty for HTML. */
  message: string;
  data: unknown;
  isJson: boolean;
}

export function readEnvelope(body: string | null): Envelope {
  const json = body === null ? undefined : parseJson(body);
  if (!isRecord(json)) {
    const message = typeof json === "string"
      ? json
      : json === undefined && !looksLikeHtml(body)
      ? body ?? ""
      : "";
    return { code: null, providerCode: null, message, data: undefined, isJson: json !== undefined };
  }
  const code = readCode(json["code"]);
  const dataCode = isRecord(json["data"]) ? readCode(json["data"]["code"]) : null;
  return {
    code,
    providerCode: readCode(json["error_code"]) ?? dataCode ?? code,
    message: readMessage(json),
    // A bare object, without the frame, is its own data.
    data: "data" in json ? json["data"] : json,
    isJson: true,
  };
}

function readMessage(json: Record<string, unknown>): string {
  const errors = json["errors"];
  const detail = json["detail"];
  const candidates = [
    json["message"],
    json["error"],
    Array.isArray(detail) ? detail[0] : detail,
    Array.isArray(errors) ? errors[0] : errors,
  ];
  for (const candidate of candidates) {
    if (typeof candidate === "string" && candidate !== "") return candidate;
    if (!isRecord(candidate)) continue;
    const inner = candidate["message"] ?? candidate["msg"];
    if (typeof inner === "string" && inner !== "") return inner;
  }
  return "";
}

function readCode(value: unknown): number | null {
  if (typeof value === "string" && /^[0-9]{1,6}$/.test(value)) return Number(value);
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
}

function looksLikeHtml(body: string | null): boolean {
  return body !== null && /^\s*</.test(body);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
