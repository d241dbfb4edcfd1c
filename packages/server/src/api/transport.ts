// Below the routes: bytes that are not JSON, or not even HTTP, and what is said to them.
import { STATUS_CODES } from 'node:http'
import { failure } from '@saperly/contract'
import type { Ids } from '@saperly/kernel'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { refusalOf } from './answer.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A body that is not JSON; the error handler gives it its words. */
class BadJson extends Error {
  override readonly name = 'BadJson'
  readonly code = 'SAPERLY_BAD_JSON'
  readonly statusCode = 400
}

/** Reads a body: an empty one is none. Parsed values may have any key; the schemas refuse those they don't know. */
export function readJson(
  _request: FastifyRequest,
  body: Buffer,
  done: (error: Error | null, value?: unknown) => void,
): void {
  if (body.length === 0) return done(null, undefined)
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(body))
  } catch {
    return done(new BadJson('the body is not JSON'))
  }
  done(null, value)
}

class WrongType extends Error {
  override readonly name = 'WrongType'
  readonly code = 'SAPERLY_WRONG_TYPE'
  readonly statusCode = 415
}

/** A body of any other type is refused; an empty one has no type, whatever the header says. */
export function refuseOtherTypes(
  _request: FastifyRequest,
  body: Buffer,
  done: (error: Error | null, value?: unknown) => void,
): void {
  if (body.length === 0) return done(null, undefined)
  done(new WrongType('the body is not JSON'))
}

/** Answers what the HTTP parser refuses in our shape, and what it would refuse in its own not at all. */
export function listenForBrokenRequests(app: FastifyInstance, ids: Ids): void {
  app.server.removeAllListeners('clientError')
  app.server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
    const message =
      error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'the request did not come in time'
        : 'this is not HTTP'
    const answer = refusalOf(failure('MalformedRequest', { message }))
    const head = [
      `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`,
      `content-type: ${answer.contentType}`,
      `content-length: ${Buffer.byteLength(answer.body)}`,
      `x-request-id: ${ids.next('req')}`,
      'connection: close',
    ]
    socket.end(`${head.join('\r\n')}\r\n\r\n${answer.body}`)
  })
  // Without a listener node answers an unknown Expect with a bare 417; such a header is nothing to us.
  app.server.on('checkExpectation', (request, response) => {
    app.server.emit('request', request, response)
  })
}
