// Statements and rows: what the aggregates of the store are written against, inside a transaction or outside of one.

/** A row as the driver hands it over: columns already in camelCase, instants as epoch milliseconds. */
export type Row = Record<string, unknown>

export interface Sql {
  /**
   * Runs one statement. `R` is what its columns are: the statement and the type are written side by side.
   * @throws Fault when the database is away or refuses the statement
   */
  rows<R extends object = Row>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** How many rows the statement changed. */
  count(text: string, values?: readonly unknown[]): Promise<number>
  /** Runs `body` in one transaction: the one that is open already, or else its own. */
  atomic<T>(body: (sql: Sql) => Promise<T>): Promise<T>
}

/** The first row, or null. */
export function first<R>(rows: readonly R[]): R | null {
  return rows[0] ?? null
}
