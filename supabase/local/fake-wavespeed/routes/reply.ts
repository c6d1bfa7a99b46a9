// The shapes of the API's answers.

import * as z from "zod";
import type { Settings } from "../settings.ts";

/** `dropped`: the connection ends before a byte of the answer; `half`: in the middle of its body. */
export type Reply = Response | { cut: "dropped" | "half"; response: Response };

export function data(value: unknown): Response {
  return Response.json({ code: 200, message: "success", data: value });
}

export function refuse(
  settings: Settings,
  status: number,
  message: string,
  more: { errorCode?: number; headers?: Record<string, string> } = {},
): Response {
  const code = settings.errorCodes && more.errorCode !== undefined ? { error_code: more.errorCode } : {};
  const bodies = {
    frame: { code: status, message, ...code, data: null },
    error: { error: message },
    detail: { detail: message },
    errors: { errors: [message] },
  };
  return Response.json(bodies[settings.refusalForm], { status, headers: more.headers ?? {} });
}

export function notFound(settings: Settings, message: string): Response {
  if (settings.notFoundForm === "frame") return refuse(settings, 404, message);
  return new Response("404 page not found", { status: 404, headers: { "content-type": "text/plain" } });
}

/** What a gateway in front of the API says. */
export function html(status: number, text: string): Response {
  const body = `<html><head><title>${status} ${text}</title></head><body><h1>${text}</h1></body></html>`;
  return new Response(body, { status, headers: { "content-type": "text/html" } });
}

/** A text is sent as it is. */
export function verbatim(answer: {
  httpStatus: number;
  body?: unknown;
  headers: Record<string, string>;
}): Response {
  const { httpStatus: status, body = null, headers } = answer;
  return typeof body === "string" || body === null
    ? new Response(body, { status, headers })
    : Response.json(body, { status, headers });
}

export async function readJson(request: Request): Promise<Record<string, unknown> | null> {
  const value: unknown = await request.json().catch(() => null);
  return z.record(z.string(), z.unknown()).safeParse(value).data ?? null;
}

/** The body as `schema` wants it, or null. */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
): Promise<z.infer<Schema> | null> {
  return schema.safeParse(await readJson(request)).data ?? null;
}
