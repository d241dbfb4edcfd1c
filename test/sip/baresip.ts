// baresip from Debian as a peer: started with a configuration of its own, steered over its control socket.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock } from '@saperly/kernel'
import { CA_PATH, certificate } from './certificates.ts'

const MODULES = '/usr/lib/baresip/modules'
const ADDRESS = '127.0.0.1'
const READY_LIMIT_MS = 20_000
const POLL_MS = 50
const RATE = 8000
/** Loud pieces of 50 ms that a recording must have: one second. */
const ENOUGH_PIECES = 20

/** Why baresip can't be used here, or null when it can. */
export const baresipMissing: string | null =
  spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error === undefined
    ? null
    : 'baresip is not installed (Debian: apt-get install baresip-core)'

export interface BaresipOptions {
  /** `early`: it lets us hear it at once (183), and answers when told to. */
  answer: 'auto' | 'manual' | 'early'
  /** Numbers it answers for. */
  numbers: readonly string[]
  /** The tone it plays all the time, Hz; 0 for silence. */
  toneHz: number
  /** Listens for TLS as well, one port above, with the certificate of `carrier.example`; trusts the tests' CA. */
  tls?: boolean
  /** What it answers challenges with. */
  credentials?: { username: string; password: string }
  /** What it plays first, once: mono samples at 8 kHz, with silence behind them. */
  speech?: Int16Array
  /** What it speaks, in its order of preference, in its notation. Default: both laws of G.711. */
  codecs?: readonly string[]
  /** Rate and channels of its codec, which the sound that it plays must have. Default: 8000 and 1. */
  wave?: { rate: number; channels: number }
  /** Modules for codecs and encryption, beside G.711. */
  modules?: readonly string[]
  /** More parameters of its accounts: `mediaenc=srtp-mand`, `ptime=40`. */
  parameters?: readonly string[]
}

interface ControlEvent {
  event?: boolean
  type?: string
  response?: boolean
  ok?: boolean
  data?: string
  /** Of an event: what it is about, a digit for example. */
  param?: string
}

/** One running baresip. `close` ends it and removes its files. */
export class Baresip {
  readonly port: number
  readonly address = ADDRESS
  readonly events: ControlEvent[] = []
  readonly #process: ChildProcess
  readonly #control: Socket
  readonly #folder: string
  #waiting: ((event: ControlEvent) => void)[] = []
  #text = Buffer.alloc(0)

  private constructor(port: number, folder: string, child: ChildProcess, control: Socket) {
    this.port = port
    this.#folder = folder
    this.#process = child
    this.#control = control
    control.on('error', () => {})
    control.on('data', (data) => this.#onData(data))
  }

  static async start(options: BaresipOptions): Promise<Baresip> {
    const folder = await mkdtemp(join(tmpdir(), 'saperly-baresip-'))
    const [port, controlPort] = [await freeUdpPort(), await freeTcpPort()]
    await writeConfig(folder, port, controlPort, options)
    const child = spawn('baresip', ['-f', folder], { stdio: 'ignore' })
    child.on('error', () => {})
    return new Baresip(port, folder, child, await connect(controlPort))
  }

  /** Runs one command of baresip's menu and gives its answer. */
  async command(command: string, params = ''): Promise<ControlEvent> {
    const text = JSON.stringify({ command, params, token: command })
    const answer = this.#next((event) => event.response === true)
    this.#control.write(`${Buffer.byteLength(text)}:${text},`)
    return answer
  }

  /** Resolves when baresip reports an event of that type (also one reported before). */
  async saw(type: string): Promise<void> {
    if (this.events.some((event) => event.type === type)) return
    await this.#next((event) => event.type === type)
  }

  /** The same for an event about that. */
  async sawParam(type: string, param: string): Promise<void> {
    const matches = (event: ControlEvent): boolean => event.type === type && event.param === param
    if (!this.events.some(matches)) await this.#next(matches)
  }

  /** What it heard in its last call: mono samples of the file that it wrote. */
  async heard(): Promise<Int16Array> {
    return (await this.recorded()).samples
  }

  /** The same with its rate, which is that of the codec. */
  async recorded(): Promise<{ samples: Int16Array; rate: number }> {
    const folder = join(this.#folder, 'heard')
    const name = (await readdir(folder))
      .filter((file) => file.endsWith('-dec.wav'))
      .toSorted()
      .at(-1)
    if (name === undefined) return { samples: new Int16Array(), rate: RATE }
    const bytes = await readFile(join(folder, name))
    const start = bytes.indexOf('data') + 8
    const channels = bytes.readUInt16LE(22)
    const samples = Int16Array.from({ length: (bytes.length - start) / (2 * channels) }, (_, i) =>
      bytes.readInt16LE(start + i * 2 * channels),
    )
    return { samples, rate: bytes.readUInt32LE(24) }
  }

  async close(): Promise<void> {
    this.#control.destroy()
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGTERM')
      await ended
    }
    await rm(this.#folder, { recursive: true, force: true })
  }

  #next(matches: (event: ControlEvent) => boolean): Promise<ControlEvent> {
    return new Promise((resolve) => {
      const look = (event: ControlEvent): void => {
        if (!matches(event)) return
        this.#waiting = this.#waiting.filter((other) => other !== look)
        resolve(event)
      }
      this.#waiting.push(look)
    })
  }

  /** Netstrings: `length:text,`. */
  #onData(data: Buffer): void {
    this.#text = Buffer.concat([this.#text, data])
    for (;;) {
      const colon = this.#text.indexOf(':')
      const length = Number(this.#text.subarray(0, Math.max(0, colon)).toString())
      if (colon < 0 || this.#text.length < colon + length + 2) return
      const event = JSON.parse(
        this.#text.subarray(colon + 1, colon + 1 + length).toString(),
      ) as ControlEvent
      this.#text = this.#text.subarray(colon + length + 2)
      this.events.push(event)
      for (const look of this.#waiting) look(event)
    }
  }
}

async function writeConfig(
  folder: string,
  port: number,
  controlPort: number,
  options: BaresipOptions,
): Promise<void> {
  const play = join(folder, 'play.wav')
  const lines = [
    `sip_listen ${ADDRESS}:${port}`,
    `net_interface ${ADDRESS}`,
    'audio_player aubridge,nil',
    `audio_source aufile,${play}`,
    'audio_alert aubridge,nil',
    `module_path ${MODULES}`,
    `snd_path ${join(folder, 'heard')}`,
    ...['g711', 'aufile', 'aubridge', 'sndfile', ...(options.modules ?? [])].map(
      (name) => `module ${name}.so`,
    ),
    ...['account', 'menu', 'ctrl_tcp'].map((name) => `module_app ${name}.so`),
    `ctrl_tcp_listen ${ADDRESS}:${controlPort}`,
    ...(options.tls === true ? await tlsLines(folder) : []),
  ]
  const { credentials } = options
  const proof = credentials
    ? [`auth_user=${credentials.username}`, `auth_pass=${credentials.password}`]
    : []
  const codecs = (options.codecs ?? ['PCMU/8000/1', 'PCMA/8000/1']).join(',')
  const parameters = ['', ...proof, ...(options.parameters ?? [])].join(';')
  const accounts = options.numbers.map(
    (number) =>
      `<sip:${number}@${ADDRESS}:${port}>;regint=0;answermode=${options.answer};audio_codecs=${codecs}${parameters}`,
  )
  await mkdir(join(folder, 'heard'))
  await writeFile(join(folder, 'config'), `${lines.join('\n')}\n`)
  await writeFile(join(folder, 'accounts'), `${accounts.join('\n')}\n`)
  await writeFile(join(folder, 'contacts'), '')
  const wave = options.wave ?? { rate: RATE, channels: 1 }
  const sound = options.speech ? wavOf(options.speech, 120) : toneWav(options.toneHz, 60, wave)
  await writeFile(play, sound)
}

/** baresip wants a certificate and its key in one file. */
async function tlsLines(folder: string): Promise<string[]> {
  const { certificate: shown, key } = certificate('carrier')
  const file = join(folder, 'certificate.pem')
  await writeFile(file, `${shown}${key}`)
  return [`sip_certificate ${file}`, `sip_cafile ${CA_PATH}`]
}

function toneWav(
  hertz: number,
  seconds: number,
  { rate, channels }: { rate: number; channels: number },
): Buffer {
  const tone = Int16Array.from({ length: rate * seconds * channels }, (_, i) =>
    Math.round(8000 * Math.sin((2 * Math.PI * hertz * Math.floor(i / channels)) / rate)),
  )
  return wavOf(tone, seconds, { rate, channels })
}

/** A WAV of `seconds`: the samples, then silence. */
function wavOf(
  speech: Int16Array,
  seconds: number,
  { rate, channels } = { rate: RATE, channels: 1 },
): Buffer {
  const samples = rate * seconds * channels
  const wav = Buffer.alloc(44 + samples * 2)
  wav.write('RIFF', 0)
  wav.writeUInt32LE(36 + samples * 2, 4)
  wav.write('WAVEfmt ', 8)
  wav.writeUInt32LE(16, 16)
  wav.writeUInt16LE(1, 20)
  wav.writeUInt16LE(channels, 22)
  wav.writeUInt32LE(rate, 24)
  wav.writeUInt32LE(rate * 2 * channels, 28)
  wav.writeUInt16LE(2 * channels, 32)
  wav.writeUInt16LE(16, 34)
  wav.write('data', 36)
  wav.writeUInt32LE(samples * 2, 40)
  speech.forEach((sample, i) => wav.writeInt16LE(sample, 44 + i * 2))
  return wav
}

/** Share of the energy of `samples` that lies at one frequency, 0-1 (Goertzel). */
export function shareAt(samples: Int16Array, hertz: number, rate: number = RATE): number {
  const turn = 2 * Math.cos((2 * Math.PI * hertz) / rate)
  let energy = 0
  let [before, last] = [0, 0]
  for (const sample of samples) {
    energy += sample * sample
    ;[before, last] = [last, sample + turn * last - before]
  }
  const power = before * before + last * last - turn * before * last
  return energy === 0 ? 0 : (2 * power) / (samples.length * energy)
}

/**
 * How pure the tone is in the middle one of all pieces of 50 ms, 0-1. By pieces, because a starved machine makes gaps, and
 * each gap moves the phase; a wrong codec, key or packet time spoils every piece.
 */
export function purity(samples: Int16Array, hertz: number, rate: number = RATE): number {
  const length = rate / 20
  const pieces = Array.from({ length: Math.floor(samples.length / length) }, (_, i) =>
    samples.subarray(i * length, (i + 1) * length),
  )
  const loud = pieces.filter((piece) => piece.some((sample) => Math.abs(sample) > 2000))
  const shares = loud.map((piece) => shareAt(piece, hertz, rate)).toSorted((x, y) => x - y)
  return shares.length < ENOUGH_PIECES ? 0 : shares[shares.length >> 1]!
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, ADDRESS)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, ADDRESS)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Connects as soon as somebody listens. */
async function connect(port: number): Promise<Socket> {
  const clock = new SystemClock()
  const untilMs = clock.monotonicMs() + READY_LIMIT_MS
  for (;;) {
    const socket = createConnection(port, ADDRESS)
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      socket.destroy()
      if (clock.monotonicMs() > untilMs) throw error
      await clock.sleep(POLL_MS, new AbortController().signal)
    }
  }
}
