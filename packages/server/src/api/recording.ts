// Recordings: a link that nobody can guess and that dies after 15 minutes, and the WAV file behind it.
import { createHmac } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { failure } from '@saperly/contract'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sameSecret } from '../secrets/tokens.ts'
import type { CallRow, Tenant } from '../store/port.ts'
import { refusalOf, send } from './answer.ts'
import type { ApiDeps } from './deps.ts'

export const LINK_LIFE_MS = 15 * 60 * 1000
const MAX_TOKEN_LENGTH = 400
const RANGE_PATTERN = /^bytes=(\d{0,15})-(\d{0,15})$/

interface Ticket {
  tenant: Tenant
  callId: string
  expiresAt: number
}

/** A fresh link to the recording of a call. */
export function recordingUrl(
  deps: Pick<ApiDeps, 'clock' | 'config' | 'publicUrl'>,
  call: Pick<CallRow, 'id' | 'workspaceId' | 'environment'>,
): string {
  const until = deps.clock.now() + LINK_LIFE_MS
  const claim = [call.workspaceId, call.environment, call.id, until.toString(36)].join('.')
  const text = Buffer.from(claim).toString('base64url')
  return `${deps.publicUrl()}/recordings/${text}.${sign(deps.config.linkSecret, text)}`
}

/** Serves the links. Whoever has one needs no key; an expired or altered one leads nowhere. */
export function serveRecordings(app: FastifyInstance, deps: ApiDeps): void {
  app.get<{ Params: { token: string } }>('/recordings/:token', async (request, reply) => {
    const ticket = readTicket(deps, request.params.token)
    const call = ticket && (await deps.store.tables.calls.get(ticket.tenant, ticket.callId))
    const path = call?.recordingPath ?? null
    const bytes = path === null ? null : await sizeOf(path)
    if (path === null || bytes === null)
      return send(reply, refusalOf(failure('NotFound', { path: '/recordings' })))
    return sendFile(request, reply, path, bytes)
  })
}

function sign(secret: Uint8Array, text: string): string {
  return createHmac('sha256', secret).update(`recording link ${text}`).digest('base64url')
}

function readTicket(deps: ApiDeps, token: string): Ticket | null {
  if (token.length > MAX_TOKEN_LENGTH) return null
  const [text = '', signature = ''] = token.split('.')
  if (!sameSecret(signature, sign(deps.config.linkSecret, text))) return null
  const claim = Buffer.from(text, 'base64url').toString('utf8').split('.')
  const [workspaceId = '', environment, callId = '', until = ''] = claim
  const expiresAt = Number.parseInt(until, 36)
  if (!(expiresAt > deps.clock.now())) return null
  const tenant = { workspaceId, environment: environment === 'live' ? 'live' : 'test' } as const
  return { tenant, callId, expiresAt }
}

/** Bytes of the file, or null when it is gone. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
  bytes: number,
): FastifyReply {
  void reply.headers({
    'content-type': 'audio/wav',
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-store',
    'content-disposition': 'attachment; filename="recording.wav"',
  })
  const range = readRange(request.headers.range, bytes)
  if (!range) {
    void reply.header('content-length', bytes)
    return reply.send(createReadStream(path, { start: 0, end: Math.max(0, bytes - 1) }))
  }
  void reply.code(206).headers({
    'content-range': `bytes ${range.start}-${range.end}/${bytes}`,
    'content-length': range.end - range.start + 1,
  })
  return reply.send(createReadStream(path, range))
}

/**
 * The one range that was asked for, both ends included. Null for none, for several, and for one that can't be
 * satisfied: a server may ignore a range (RFC 9110 section 14.2), and then sends the whole.
 */
export function readRange(
  header: string | undefined,
  bytes: number,
): { start: number; end: number } | null {
  const [, first = '', last = ''] = RANGE_PATTERN.exec(header ?? '') ?? []
  if (first === '' && last === '') return null
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1)
  return start <= end && start < bytes ? { start, end } : null
}
