// The little HTTP of a process that only carries calls: is it alive, can it take calls, its figures; nothing else.
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { failure } from '@saperly/contract'
import { Fault, type Log } from '@saperly/kernel'
import { refusalOf } from './answer.ts'
import { Metrics } from './metrics.ts'

export interface HealthDeps {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Why it takes no calls, or null. */
  closed: () => string | null
  /** @throws Fault when the database is away */
  askDatabase: () => Promise<unknown>
  figures: () => Readonly<Record<string, number>>
  log: Log
}

export interface HealthServer {
  listen(): Promise<{ host: string; port: number }>
  close(): Promise<void>
}

export function createHealth(deps: HealthDeps): HealthServer {
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?')
    void answer(deps, path, response)
  })
  return {
    listen: () =>
      new Promise((done, failed) => {
        server.once('error', failed)
        server.listen(deps.port, deps.host, () => {
          server.removeListener('error', failed)
          done({ host: deps.host, port: (server.address() as AddressInfo).port })
        })
      }),
    close: () => closed(server),
  }
}

async function answer(deps: HealthDeps, path: string, response: ServerResponse): Promise<void> {
  switch (path.replace(/^\/v2(?=\/)/, '')) {
    case '/health':
      return send(response, 200, JSON.stringify({ status: 'ok' }))
    case '/ready':
      return ready(deps, response)
    case '/metrics': {
      const text = new Metrics().render(deps.figures())
      return send(response, 200, text, 'text/plain; version=0.0.4; charset=utf-8')
    }
    default:
      return refuse(response, failure('NotFound', { path }))
  }
}

async function ready(deps: HealthDeps, response: ServerResponse): Promise<void> {
  const why = deps.closed()
  if (why !== null) return refuse(response, failure('Unavailable', { reason: why }))
  try {
    await deps.askDatabase()
    send(response, 200, JSON.stringify({ status: 'ready' }))
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    refuse(response, failure('Unavailable', { reason: 'a part of the platform is away' }))
  }
}

function refuse(response: ServerResponse, why: Parameters<typeof refusalOf>[0]): void {
  const { status, body, headers } = refusalOf(why)
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value)
  send(response, status, body)
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'application/json; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((done) => server.close(() => done()))
}
