// A closed loop: each client begins its next piece of work when its last is done, until the time is up.

export interface Window {
  /** What was done, in the unit of the work: jobs. */
  done: number;
  /** Until the last client had finished what it had begun. */
  elapsedMs: number;
}

export async function runClients(
  clients: number,
  durationMs: number,
  work: (client: number) => Promise<number>,
  now: () => number = () => performance.now(),
): Promise<Window> {
  const begin = now();
  let done = 0;
  let failed = false;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    try {
      while (!failed && now() - begin < durationMs) {
        // Not `done += await`: that adds to what was done before the wait, and loses what the others did meanwhile.
        const more = await work(client);
        done += more;
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  }));
  return { done, elapsedMs: now() - begin };
}

export function perSecond({ done, elapsedMs }: Window): number {
  return done / elapsedMs * 1000;
}
