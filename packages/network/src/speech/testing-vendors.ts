// Fake vendors for tests: websocket servers that speak the documented wire, and misbehave as they are told.
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { decodeG711, encodeG711 } from '../codec/g711.ts'
import { FRAME_SAMPLES } from './pcm.ts'
import { renderTones } from './tone.ts'
import { ToneDecoder } from './tone-decoder.ts'

export type Manner =
  | 'good'
  /** Accepts the TCP connection, and never answers the upgrade. */
  | 'mute'
  | { refuse: number }
  /** Takes everything and says nothing. */
  | 'silent'
  /** Goes away in the middle of the first utterance. */
  | 'drop'
  /** Closes its own direction of the TCP connection in the middle of the first utterance. */
  | 'halfClose'
  | 'garbage'
  /** Says something of its own kind that is not as documented. */
  | 'malformed'
  /** Tells what it hears, but never an end. */
  | 'neverFinal'
  /** Older news behind the newest. */
  | 'reordered'
  | 'error'

/** What both fakes share: a port, what was asked of it, and an end. */
class FakeVendor {
  readonly requests: IncomingMessage[] = []
  /** Connections that were upgraded. */
  connections = 0
  manner: Manner = 'good'
  readonly sockets = new Set<WebSocket>()
  readonly #http: Server
  readonly #tcp = new Set<Socket>()

  constructor(onConnection: (socket: WebSocket, tcp: Socket) => void) {
    this.#http = createServer()
    const upgrades = new WebSocketServer({ noServer: true })
    this.#http.on('connection', (socket) => this.#tcp.add(socket))
    this.#http.on('upgrade', (request, tcp: Socket, head) => {
      this.requests.push(request)
      const { manner } = this
      if (manner === 'mute') return
      if (typeof manner === 'object') {
        tcp.end(`HTTP/1.1 ${manner.refuse} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
        return
      }
      upgrades.handleUpgrade(request, tcp, head, (socket) => {
        this.connections++
        this.sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => this.sockets.delete(socket))
        onConnection(socket, tcp)
      })
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve))
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** Every connection ends at once, as when the vendor dies; new ones are refused. */
  die(): void {
    this.manner = { refuse: 503 }
    for (const socket of this.#tcp) socket.destroy()
  }

  async close(): Promise<void> {
    for (const socket of this.#tcp) socket.destroy()
    await new Promise<void>((resolve) => this.#http.close(() => resolve()))
  }
}

const LOUD = 500
/** Silence that ends a turn for the model of the fake, milliseconds of audio. */
const MODEL_END_MS = 260
const UPDATE_EVERY_MS = 240

/** Deepgram's /v2/listen. It hears the platform's test tones, so that a whole call can be held with it. */
export class FakeDeepgram extends FakeVendor {
  /** Control messages, in order. */
  readonly controls: Record<string, unknown>[] = []
  /** The model finds ends of turns by itself; else they have to be forced. */
  endsTurns = true
  /** Instead of what the tones say. */
  hears: string | null = null
  bytes = 0

  constructor() {
    super((socket, tcp) => new FluxStream(this, socket, tcp))
  }
}

class FluxStream {
  readonly #vendor: FakeDeepgram
  readonly #socket: WebSocket
  readonly #tcp: Socket
  #sequence = 0
  #turn = 0
  #ms = 0
  #updateMs = 0
  #lastVoiceMs = 0
  #decoder: ToneDecoder | null = null
  #voicedMs = 0

  constructor(vendor: FakeDeepgram, socket: WebSocket, tcp: Socket) {
    this.#vendor = vendor
    this.#socket = socket
    this.#tcp = tcp
    this.#tell({ type: 'Connected', request_id: 'r' })
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) return this.#hear(data)
      const message = JSON.parse(data.toString()) as Record<string, unknown>
      vendor.controls.push(message)
      if (message['type'] === 'ForceEndTurn' && this.#decoder) this.#end('manual')
      if (message['type'] === 'Configure') {
        this.#tell({ type: 'ConfigureSuccess', keyterms: message['keyterms'] })
      }
    })
  }

  #hear(audio: Buffer): void {
    this.#vendor.bytes += audio.length
    const { manner } = this.#vendor
    if (manner === 'silent') return
    const pcm = decodeG711('PCMU', audio)
    for (let at = 0; at < pcm.length; at += FRAME_SAMPLES) {
      this.#frame(pcm.subarray(at, at + FRAME_SAMPLES))
    }
  }

  #frame(pcm: Int16Array): void {
    this.#ms += 20
    const loud = pcm.some((sample) => Math.abs(sample) > LOUD)
    if (loud) {
      this.#lastVoiceMs = this.#ms
      this.#voicedMs += 20
      if (this.#voicedMs === 60) this.#misbehave()
    }
    if (loud && !this.#decoder) {
      this.#decoder = new ToneDecoder()
      this.#info('StartOfTurn', '…')
    }
    this.#decoder?.write(pcm)
    const silentMs = this.#ms - this.#lastVoiceMs
    if (this.#decoder && silentMs >= MODEL_END_MS && this.#vendor.endsTurns) this.#end('model')
    if (this.#ms - this.#updateMs >= UPDATE_EVERY_MS) {
      this.#updateMs = this.#ms
      this.#info('Update', this.#decoder ? '…' : '')
    }
  }

  #misbehave(): void {
    const { manner } = this.#vendor
    if (typeof manner === 'object') return
    switch (manner) {
      case 'drop':
        return this.#socket.terminate()
      case 'halfClose':
        return void this.#tcp.end()
      case 'garbage':
        return this.#socket.send('not json{')
      case 'malformed':
        return this.#tell({ type: 'TurnInfo', event: 'EndOfTurn', turn_index: -4 })
      case 'error':
        return this.#tell({
          type: 'Error',
          code: 'INTERNAL_SERVER_ERROR',
          description: 'secret words of the caller',
        })
      case 'good':
      case 'mute':
      case 'silent':
      case 'neverFinal':
      case 'reordered':
        return
    }
  }

  #end(trigger: 'model' | 'manual'): void {
    const decoder = this.#decoder
    this.#decoder = null
    this.#voicedMs = 0
    if (!decoder || this.#vendor.manner === 'neverFinal') return
    const text = this.#vendor.hears ?? decoder.finish().text
    this.#info('EndOfTurn', text, { trigger })
    // Older news of the turn, as if it had been held up somewhere.
    if (this.#vendor.manner === 'reordered') {
      this.#sequence -= 2
      this.#info('Update', 'older and wrong')
      this.#info('EndOfTurn', 'older and wrong')
    }
    this.#turn++
  }

  #info(event: string, transcript: string, more: object = {}): void {
    this.#tell({
      type: 'TurnInfo',
      event,
      turn_index: this.#turn,
      audio_window_start: 0,
      audio_window_end: this.#ms / 1000,
      transcript,
      words: transcript.split(' ').map((word) => ({ word, confidence: 0.9 })),
      end_of_turn_confidence: 0.5,
      ...more,
    })
  }

  #tell(message: object): void {
    this.#socket.send(JSON.stringify({ ...message, sequence_id: this.#sequence++ }))
  }
}

interface Generation {
  transcript: string
  context_id: string
  cancel?: boolean
}

/** Audio of one message, samples: 250 ms. */
const CHUNK_SAMPLES = 2_000

/** Cartesia's /tts/websocket. It speaks the platform's test tones, with the times of their words. */
export class FakeCartesia extends FakeVendor {
  readonly generations: (Generation & Record<string, unknown>)[] = []
  readonly cancelled: string[] = []
  /** Holds back everything until it is let go. */
  hold: Promise<void> = Promise.resolve()

  constructor() {
    super((socket, tcp) => {
      socket.on('message', (data: Buffer) => {
        const message = JSON.parse(data.toString()) as Generation & Record<string, unknown>
        if (message.cancel) return void this.cancelled.push(message.context_id)
        this.generations.push(message)
        void this.#speak(socket, tcp, message)
      })
    })
  }

  async #speak(
    socket: WebSocket,
    tcp: Socket,
    { transcript, context_id }: Generation,
  ): Promise<void> {
    const tell = (message: object): void =>
      socket.send(JSON.stringify({ status_code: 206, done: false, context_id, ...message }))
    await this.hold
    const { manner } = this
    if (manner === 'silent') return
    if (manner === 'garbage') return socket.send(Buffer.from([1, 2, 3]))
    if (manner === 'malformed') return tell({ type: 'chunk', data: 7 })
    if (manner === 'error') {
      return tell({ type: 'error', error_code: 'quota_exceeded', message: transcript, done: true })
    }
    const { pcm, words } = renderTones(transcript)
    const times = {
      words: words.map(({ text }) => text),
      start: words.map(({ fromMs }) => fromMs / 1000),
      end: words.map(({ toMs }) => toMs / 1000),
    }
    if (manner === 'reordered') tell({ type: 'timestamps', word_timestamps: times })
    for (let at = 0; at < pcm.length; at += CHUNK_SAMPLES) {
      if (this.cancelled.includes(context_id)) return
      if (at > 0 && manner === 'drop') return socket.terminate()
      if (at > 0 && manner === 'halfClose') return void tcp.end()
      if (at > 0 && manner === 'neverFinal') return
      const data = Buffer.from(encodeG711('PCMU', pcm.slice(at, at + CHUNK_SAMPLES)))
      tell({ type: 'chunk', data: data.toString('base64'), step_time: 1 })
    }
    if (manner !== 'reordered') tell({ type: 'timestamps', word_timestamps: times })
    tell({ type: 'done', done: true })
  }
}

/** Longest that something of the fakes may take, milliseconds of real time. */
const EVENTUALLY_MS = 10_000

/** Resolves with the first truthy answer; real sockets decide when. */
export async function eventually<T>(what: string, check: () => T): Promise<NonNullable<T>> {
  const deadline = Date.now() + EVENTUALLY_MS
  for (;;) {
    const answer = check()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
