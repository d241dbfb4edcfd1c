// Assertions: the place where a bug becomes loud. They stay on in production.

/** A broken invariant: the program is wrong, not the input. Never caught to go on. */
export class Bug extends Error {
  override readonly name = 'Bug'
}

/** Throws a {@link Bug} unless `condition` holds. The message never carries personal data or secrets. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message)
}

/** Marks a branch that the types have already ruled out. */
export function unreachable(value: never, where: string): never {
  throw new Bug(`unreachable value ${JSON.stringify(value)} in ${where}`)
}

/**
 * Infrastructure that let us down (database away, disk full, peer reset), as opposed to an expected no
 * (a contract failure, returned as a value) and to a {@link Bug}.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly retryable: boolean
  /** Nobody here knows whether it took effect: only what may be done twice, or looks first, may be tried again. */
  readonly unsure: boolean

  constructor(message: string, options: { cause?: unknown; retryable: boolean; unsure?: boolean }) {
    super(message, { cause: options.cause })
    this.retryable = options.retryable
    this.unsure = options.unsure ?? false
  }
}
