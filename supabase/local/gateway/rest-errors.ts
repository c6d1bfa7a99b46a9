// Which HTTP status the Data API gives to an error of the database, as PostgREST does. Lite knows only some of them
// and answers the others, time-outs and deadlocks among them, with a 500 of its own making.

export interface DatabaseError {
  /** SQLSTATE. */
  code: string;
  message: string;
  detail?: string | undefined;
  hint?: string | undefined;
}

/** The first entry that the SQLSTATE begins with counts. What is not listed is the caller's fault: 400. */
const statusByCode: readonly (readonly [prefix: string, status: number])[] = [
  ["08", 503],
  ["09", 500],
  ["0L", 403],
  ["0P", 403],
  ["21000", 500],
  ["23503", 409],
  ["23505", 409],
  ["25006", 405],
  ["25", 500],
  ["28", 403],
  ["2D", 500],
  ["38", 500],
  ["39", 500],
  ["3B", 500],
  ["40", 500],
  ["42501", 403],
  ["42883", 404],
  ["42P01", 404],
  ["42P17", 500],
  ["53400", 500],
  ["53", 503],
  ["54", 500],
  ["55", 500],
  ["57P01", 503],
  ["57", 500],
  ["58", 500],
  ["F0", 500],
  ["HV", 500],
  ["P0001", 400],
  ["P0", 500],
  ["XX", 500],
];

const OTHERWISE = 400;

/** `anonymous`: nobody is signed in, who is asked to sign in (401) where a signed-in one is refused (403). */
export function statusOf({ code, message }: DatabaseError, anonymous: boolean): number {
  if (code === "42501" && anonymous) return 401;
  if (code === "21000" && message.endsWith("requires a WHERE clause")) return 400; // safeupdate
  return statusByCode.find(([prefix]) => code.startsWith(prefix))?.[1] ?? OTHERWISE;
}

/**
 * Lite's answer where it has PostgREST's code and status, else one made from the error. PT… and PGRST are the
 * function's own choice of an answer, which lite understands.
 */
export async function corrected(
  response: Response,
  error: DatabaseError,
  anonymous: boolean,
): Promise<Response> {
  if (response.ok || /^(PT|PGRST)/.test(error.code)) return response;
  const status = statusOf(error, anonymous);
  const answer = await response.clone().json().catch(() => null) as { code?: string } | null;
  if (answer?.code === error.code && response.status === status) return response;
  await response.body?.cancel();
  return Response.json({
    code: error.code,
    details: error.detail ?? null,
    hint: error.hint ?? null,
    message: error.message,
  }, { status });
}
