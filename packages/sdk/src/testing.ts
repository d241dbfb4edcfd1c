// What the tests of the client talk to: a fetch that answers from a script, and a socket in memory.
import type { WebSocketLike } from './manual/line.ts'
import type { Fetch } from './transport.ts'

export interface Asked {
  method: string
  url: string
  headers: Record<string, string>
  body: unknown
  signal: AbortSignal
}

export type Scripted = Response | Error | ((asked: Asked) => Response | Promise<Response>)

/** Answers with the next of the script each time, and keeps what was asked. */
export function fakeFetch(...script: Scripted[]): { fetch: Fetch; asked: Asked[] } {
  const asked: Asked[] = []
  return {
    asked,
    fetch: async (url, init) => {
      const one: Asked = {
        method: init?.method ?? 'GET',
        url,
        headers: (init?.headers ?? {}) as Record<string, string>,
        body: typeof init?.body === 'string' ? JSON.parse(init.body) : undefined,
        signal: init?.signal as AbortSignal,
      }
      asked.push(one)
      const next = script.shift()
      if (!next) throw new Error('the script is over')
      if (next instanceof Error) throw next
      return typeof next === 'function' ? next(one) : next
    },
  }
}

export function json(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'x-request-id': 'req_1', ...headers },
  })
}

/** A body that sends these pieces, and then ends or breaks. */
export function streamed(pieces: string[], end: 'end' | 'break' | 'hang' = 'end'): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift()
      if (piece !== undefined) controller.enqueue(encoder.encode(piece))
      else if (end === 'end') controller.close()
      else if (end === 'break') controller.error(new TypeError('terminated'))
    },
  })
  return new Response(body, { status: 200, headers: { 'content-type': 'text/event-stream' } })
}

/** The brain's side of a socket whose other side is the test. */
export class FakeSocket implements WebSocketLike {
  static readonly opened: FakeSocket[] = []
  readonly url: string
  readonly protocols: string[]
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly sent: any[] = []
  onopen: ((event: never) => void) | null = null
  onmessage: ((event: never) => void) | null = null
  onclose: ((event: never) => void) | null = null
  onerror: ((event: never) => void) | null = null

  constructor(url: string, protocols: string[]) {
    this.url = url
    this.protocols = protocols
    FakeSocket.opened.push(this)
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data))
  }

  close(): void {
    queueMicrotask(() => this.break())
  }

  /** The platform says something. */
  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as never)
  }

  ready(calls: object[] = []): void {
    this.say({ type: 'ready', protocol: 'saperly.manual.v1', connectionId: 'conn_1', calls })
  }

  break(code = 1006): void {
    this.onclose?.({ code, reason: '' } as never)
    this.onclose = null
  }
}
