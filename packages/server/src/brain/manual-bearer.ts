// How a brain proves on its socket that it is the connection's: by header or subprotocol, never in the URL.
import type { IncomingHttpHeaders } from 'node:http'
import { BEARER_SUBPROTOCOL_PREFIX, MANUAL_SECRET_PREFIX } from '@saperly/contract'
import { hashToken, sameSecret } from '../secrets/tokens.ts'
import type { ConnectionRow } from '../store/port.ts'

/** The secret that the upgrade request carries, or null. */
export function bearerOf(headers: IncomingHttpHeaders): string | null {
  const fromHeader = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  const fromProtocol = (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((offer) => offer.trim())
    .find((offer) => offer.startsWith(BEARER_SUBPROTOCOL_PREFIX))
    ?.slice(BEARER_SUBPROTOCOL_PREFIX.length)
  const bearer = fromHeader ?? fromProtocol ?? null
  return bearer?.startsWith(MANUAL_SECRET_PREFIX) ? bearer : null
}

/** Whether `secret` is the connection's, or the one that a rotation replaced less than its grace time ago. */
export function isSecretOf(row: ConnectionRow, secret: string, nowMs: number): boolean {
  const hash = hashToken(secret)
  const current = row.manualSecretHash !== null && sameSecret(hash, row.manualSecretHash)
  const rotating = (row.previousSecretUntil ?? 0) > nowMs
  const previous =
    row.previousManualSecretHash !== null && sameSecret(hash, row.previousManualSecretHash)
  return current || (rotating && previous)
}
