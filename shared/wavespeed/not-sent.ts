// Tells from a runtime's error that no byte of the request left this machine.
// Only texts that a test provokes on the real runtime are listed. All else counts as "may have been sent":
// a wrong yes here could pay for a second picture, a wrong no only costs waiting.

/** Node (undici): `error.cause` is the system error. Both arise before a connection exists. */
const nodeCodes: Readonly<Record<string, string>> = { ENOTFOUND: "getaddrinfo", ECONNREFUSED: "connect" };

/**
 * Deno (reqwest over hyper): "error sending request for url (…): client error (Connect): dns error: …".
 * The URL is percent-encoded and so holds no blank: nothing in it can imitate this text.
 */
const denoConnect = /: client error \(Connect\): (dns error|tcp connect error): /;

export function notSent(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (refusedInNode(error.cause)) return true;
  if (denoConnect.test(error.message)) return true;
  return error.cause instanceof Error && denoConnect.test(error.cause.message);
}

function refusedInNode(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  // One name with several addresses: every one of them must have refused.
  if (cause instanceof AggregateError) return cause.errors.length > 0 && cause.errors.every(refusedInNode);
  if (!("code" in cause) || !("syscall" in cause)) return false;
  return typeof cause.code === "string" && nodeCodes[cause.code] === cause.syscall;
}
