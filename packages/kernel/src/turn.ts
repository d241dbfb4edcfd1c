// The end of a turn: what everybody has to say to one event of the machine has been said.

/**
 * Resolves when the callbacks and promises that are due now have run, and before anything that happens later. For
 * whoever serves many at once: those who ask in the same turn can be served together, and nobody has waited.
 */
export function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
