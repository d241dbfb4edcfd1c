// Log lines: one event word and plain fields. Never a secret, never personal data outside keys ending in `Pii`.

export type LogFields = Record<string, string | number | boolean | null | undefined>

export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  /** `cause` is reduced to its name, message and stack. */
  error(event: string, fields?: LogFields, cause?: unknown): void
  /** A log that adds `fields` to every line. */
  child(fields: LogFields): Log
}

/** Discards everything. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
}
