// What an operator asked for can't be done, for a reason that the operator can mend.

export class OperatorError extends Error {
  override readonly name = 'OperatorError'
}
