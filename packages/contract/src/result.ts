// A value or an expected no, in the same shape as the kernel's: the contract stands on zod alone.

export type Result<T, F> = { ok: true; value: T } | { ok: false; failure: F }
