// A value or an expected no. Failures of the contract travel as values; only faults and bugs are thrown.

export type Result<T, F> = { ok: true; value: T } | { ok: false; failure: F }

export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value }
}

export function fail<F>(failure: F): { ok: false; failure: F } {
  return { ok: false, failure }
}
