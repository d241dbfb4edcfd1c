// Errors in words that say what to do.
import { ApiError, ConnectionError } from '@saperly/sdk'
import { ConfigError, OperatorError } from '@saperly/server'
import { Fault } from '@saperly/kernel'
import { UsageError } from './command.ts'

/** What to print for an error that a command ended with. */
export function explain(error: unknown): string {
  if (error instanceof UsageError) return error.message
  if (error instanceof ConfigError || error instanceof OperatorError) return error.message
  if (error instanceof ApiError) {
    return `${error.message}${error.requestId === null ? '' : ` (request ${error.requestId})`}`
  }
  if (error instanceof ConnectionError) {
    return 'nothing answers there: start the server with `saperly start`, or set SAPERLY_URL'
  }
  const port = portTaken(error)
  if (port !== null) return `port ${port} is taken: stop what listens there, or set PORT`
  if (error instanceof Fault) return `${error.message}${because(error.cause)}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** The port of an EADDRINUSE, however deep it is wrapped; null for any other error. */
export function portTaken(error: unknown): string | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { code, port } = at as NodeJS.ErrnoException & { port?: number }
    if (code === 'EADDRINUSE') return String(port ?? '')
  }
  return null
}

function because(cause: unknown): string {
  return cause instanceof Error ? `\n${cause.message}` : ''
}
