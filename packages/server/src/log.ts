// Log lines as JSON on standard error, one object a line.
import type { Log, LogFields } from '@saperly/kernel'
import { destination, pino, type Logger } from 'pino'
import type { LogLevel } from './config.ts'

/** A log of this process at `level`. */
export function openLog(level: LogLevel): Log {
  return over(pino({ level, base: null }, destination({ fd: 2, sync: false })))
}

function over(logger: Logger): Log {
  return {
    debug: (event, fields) => logger.debug(fields ?? {}, event),
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, fields, cause) => logger.error({ ...fields, ...causeOf(cause) }, event),
    child: (fields) => over(logger.child(fields)),
  }
}

function causeOf(cause: unknown): LogFields {
  if (!(cause instanceof Error)) return {}
  const { name, message, stack } = cause
  return { errorName: name, errorMessage: message, errorStack: stack }
}
