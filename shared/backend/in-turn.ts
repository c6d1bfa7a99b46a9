// One after the other, where the failure of one must not cost the others their turn.

/** Does every work in order; throws the first failure once all had their turn. */
export async function inTurn(works: Iterable<() => Promise<void>>): Promise<void> {
  const failures: unknown[] = [];
  for (const work of works) {
    try {
      await work();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
