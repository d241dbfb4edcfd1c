// A tap on the wire: a TCP proxy that keeps every byte, and reads HTTP, server-sent events and websocket frames in it.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

type Way = 'up' | 'down'

interface Connection {
  up: Buffer[]
  down: Buffer[]
}

/** One thing that went over the wire: an HTTP head with its body, or a websocket frame (with an empty head). */
export interface Passage {
  kind: 'http' | 'events' | 'frame'
  way: Way
  head: Buffer
  body: Buffer
}

const HEAD_END = '\r\n\r\n'
const TEXT_FRAME = 1
const CLOSE_FRAME = 8

export class Tap {
  readonly url: string
  readonly #server: Server
  readonly #sockets: Set<Socket>
  readonly #connections: Connection[]

  private constructor(
    url: string,
    server: Server,
    sockets: Set<Socket>,
    connections: Connection[],
  ) {
    this.url = url
    this.#server = server
    this.#sockets = sockets
    this.#connections = connections
  }

  /** Listens on a port of its own and passes everything to `target` and back. */
  static async open(target: string): Promise<Tap> {
    const port = Number(new URL(target).port)
    const sockets = new Set<Socket>()
    const connections: Connection[] = []
    const server = createServer((near) => {
      const connection: Connection = { up: [], down: [] }
      connections.push(connection)
      const far = connect(port, '127.0.0.1')
      pass(near, far, connection.up, sockets)
      pass(far, near, connection.down, sockets)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port: own } = server.address() as AddressInfo
    return new Tap(`http://127.0.0.1:${own}`, server, sockets, connections)
  }

  /** Bytes so far, heads and all. */
  bytes(way: Way): number {
    return this.#connections.reduce((sum, one) => sum + Buffer.concat(one[way]).length, 0)
  }

  passages(): Passage[] {
    return this.#connections.flatMap(({ up, down }) => [
      ...passagesIn(Buffer.concat(up), 'up'),
      ...passagesIn(Buffer.concat(down), 'down'),
    ])
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

function pass(from: Socket, to: Socket, kept: Buffer[], sockets: Set<Socket>): void {
  sockets.add(from)
  from.on('data', (chunk: Buffer) => {
    kept.push(chunk)
    to.write(chunk)
  })
  from.on('error', () => to.destroy())
  from.on('end', () => to.end())
  from.on('close', () => {
    sockets.delete(from)
    to.destroy()
  })
}

function passagesIn(bytes: Buffer, way: Way): Passage[] {
  const passages: Passage[] = []
  let at = 0
  while (at < bytes.length) {
    const end = bytes.indexOf(HEAD_END, at)
    if (end < 0) throw new Error('the tap holds half a head')
    const head = bytes.subarray(at, end + HEAD_END.length)
    const text = head.toString('latin1').toLowerCase()
    at = end + HEAD_END.length
    if (/^upgrade: websocket/m.test(text)) {
      passages.push({ kind: 'http', way, head, body: Buffer.alloc(0) })
      return [...passages, ...framesIn(bytes.subarray(at), way)]
    }
    const kind = /^content-type: text\/event-stream/m.test(text) ? 'events' : 'http'
    const { body, next } = /^transfer-encoding: chunked/m.test(text)
      ? chunkedBody(bytes, at)
      : plainBody(bytes, at, Number(/^content-length: (\d+)/m.exec(text)?.[1] ?? 0))
    passages.push({ kind, way, head, body })
    at = next
  }
  return passages
}

function plainBody(bytes: Buffer, at: number, length: number): { body: Buffer; next: number } {
  return { body: bytes.subarray(at, at + length), next: at + length }
}

function chunkedBody(bytes: Buffer, start: number): { body: Buffer; next: number } {
  const chunks: Buffer[] = []
  let at = start
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return { body: Buffer.concat(chunks), next: bytes.length }
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    at = lineEnd + 2
    chunks.push(bytes.subarray(at, at + size))
    at += size + 2
    if (size === 0) return { body: Buffer.concat(chunks), next: at }
  }
}

/** RFC 6455 section 5.2. A frame that is neither text nor control is kept as it is: it is what the test looks for. */
function framesIn(bytes: Buffer, way: Way): Passage[] {
  const frames: Passage[] = []
  let at = 0
  while (at + 2 <= bytes.length) {
    const opcode = bytes[at]! & 0x0f
    const masked = (bytes[at + 1]! & 0x80) !== 0
    let length = bytes[at + 1]! & 0x7f
    at += 2
    if (length === 126) {
      length = bytes.readUInt16BE(at)
      at += 2
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at))
      at += 8
    }
    const key = masked ? bytes.subarray(at, at + 4) : Buffer.alloc(4)
    at += masked ? 4 : 0
    const body = Buffer.from(bytes.subarray(at, at + length).map((byte, i) => byte ^ key[i % 4]!))
    at += length
    if (opcode < CLOSE_FRAME && opcode !== TEXT_FRAME) throw new Error(`a frame of kind ${opcode}`)
    if (opcode === TEXT_FRAME) frames.push({ kind: 'frame', way, head: Buffer.alloc(0), body })
  }
  return frames
}
