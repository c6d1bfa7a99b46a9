// One transfer, asked for and answered over HTTP with the time it took within the process.

export interface Transfer {
  url: string;
  /** In the bucket. */
  path: string;
}

export interface Transferred {
  ms: number;
  /** What the way of transfer knows of it. */
  result: unknown;
}

export async function answerTimed(
  request: Request,
  transfer: (transfer: Transfer) => Promise<unknown>,
): Promise<Response> {
  const asked: Transfer = await request.json();
  const begin = performance.now();
  const result = await transfer(asked);
  const answer: Transferred = { ms: performance.now() - begin, result };
  return Response.json(answer);
}
