// From a handler's result to bytes: status, headers and body of an answer, and of every refusal.
import {
  statusOf,
  retryAfterOf,
  type Endpoint,
  type Failure,
  type FileBody,
  type Page,
} from '@saperly/contract'
import { assert } from '@saperly/kernel'
import type { FastifyReply } from 'fastify'

export const JSON_TYPE = 'application/json; charset=utf-8'

/** An answer as it will be sent, and as it is kept for a replay. */
export interface Answer {
  status: number
  contentType: string
  headers: Readonly<Record<string, string>>
  body: string | Uint8Array
}

/** Body and headers of what a handler answered when all went well. Streams are sent elsewhere. */
export function answerOf(endpoint: Endpoint, value: unknown, urls: NextUrl): Answer {
  const { success } = endpoint
  switch (success.kind) {
    case 'json':
      return { ...plain(success.status), body: JSON.stringify(value) }
    case 'page': {
      const page = value as Page<unknown>
      const headers: Record<string, string> =
        page.nextCursor === null ? {} : { link: `<${urls(page.nextCursor)}>; rel="next"` }
      return { ...plain(200), headers, body: JSON.stringify(page.items) }
    }
    case 'redirect': {
      const { location } = value as { location: string }
      return { ...plain(302), headers: { location, 'cache-control': 'no-store' }, body: '' }
    }
    case 'file': {
      const { contentType, body } = value as FileBody
      return { ...plain(200), contentType, headers: { 'cache-control': 'no-store' }, body }
    }
    case 'text':
      return { ...plain(200), contentType: success.contentType, body: value as string }
  }
}

/** The address of the page that begins after a cursor. */
export type NextUrl = (cursor: string) => string

function plain(status: number): Answer {
  return { status, contentType: JSON_TYPE, headers: {}, body: '' }
}

/** The answer of a failure. `retryAfterSec` where something better than the tag's default is known. */
export function refusalOf(
  failure: Failure,
  more: { tooLarge?: boolean; retryAfterSec?: number | null } = {},
): Answer & { body: string } {
  const retryAfterSec = retryAfterOf(failure, more.retryAfterSec ?? undefined)
  return {
    status: statusOf(failure, more.tooLarge ? 'too_large' : undefined),
    contentType: JSON_TYPE,
    headers: retryAfterSec === null ? {} : { 'retry-after': String(retryAfterSec) },
    body: JSON.stringify(failure),
  }
}

export function send(reply: FastifyReply, answer: Answer): FastifyReply {
  return reply
    .code(answer.status)
    .headers(answer.headers)
    .type(answer.contentType)
    .send(answer.body)
}

/** Holds an answer against what the table promises; a mismatch is a bug of ours. */
export function checkAnswer(endpoint: Endpoint, value: unknown): void {
  const { success } = endpoint
  if (success.kind === 'json') check(success.schema.safeParse(value).success, endpoint)
  if (success.kind === 'page')
    for (const item of (value as Page<unknown>).items)
      check(success.schema.safeParse(item).success, endpoint)
}

function check(fits: boolean, endpoint: Endpoint): void {
  assert(fits, `the answer of ${endpoint.name} does not fit its schema`)
}
