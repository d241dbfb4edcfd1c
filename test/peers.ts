// Foreign peers: a suite that needs one skips loudly without it, and fails where CI says that all must be there.

/**
 * Whether the peer is to be had; `missing` says why not. Says so on standard error when it is not.
 * @throws when SAPERLY_TEST_PEERS is `required` and the peer is missing
 */
export function havePeer(suite: string, missing: string | null): boolean {
  if (missing === null) return true
  if (process.env['SAPERLY_TEST_PEERS'] === 'required') throw new Error(`${suite}: ${missing}`)
  process.stderr.write(`${suite} is skipped: ${missing}\n`)
  return false
}
