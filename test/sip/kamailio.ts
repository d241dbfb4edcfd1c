// Kamailio from Debian as a carrier: it challenges, records its route, relays or refuses, over UDP, TCP and TLS.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock } from '@saperly/kernel'
import type { Hop, Protocol } from '../../packages/network/src/sip/hop.ts'
import { kamailioConfig, tlsConfig } from './kamailio-config.ts'
import type { KamailioOptions } from './kamailio-config.ts'

export type { KamailioOptions } from './kamailio-config.ts'

const ADDRESS = '127.0.0.1'
const READY_LIMIT_MS = 30_000
const POLL_MS = 100
/** What is kept of its log, characters. */
const MAX_LOG = 20_000

/** Why Kamailio can't be used here, or null when it can. */
export const kamailioMissing: string | null =
  spawnSync('kamailio', ['-v'], { stdio: 'ignore' }).error === undefined
    ? null
    : 'kamailio is not installed (Debian: apt-get install kamailio kamailio-tls-modules)'

/** One running Kamailio. `close` ends it and removes its files. */
export class Kamailio {
  readonly address = ADDRESS
  /** UDP and TCP. */
  readonly port: number
  readonly tlsPort: number
  readonly #process: ChildProcess
  readonly #folder: string
  #log = ''

  private constructor(port: number, tlsPort: number, folder: string, child: ChildProcess) {
    this.port = port
    this.tlsPort = tlsPort
    this.#folder = folder
    this.#process = child
    child.on('error', () => {})
    child.stderr?.on('data', (data: Buffer) => {
      this.#log = `${this.#log}${data.toString()}`.slice(-MAX_LOG)
    })
  }

  /** Starts one, and resolves when it answers OPTIONS. Rejects with its log when it doesn't. */
  static async start(options: KamailioOptions): Promise<Kamailio> {
    const folder = await mkdtemp(join(tmpdir(), 'saperly-kamailio-'))
    const [port, tlsPort] = [await freePort(), await freePort()]
    const tlsFile = join(folder, 'tls.cfg')
    const file = join(folder, 'kamailio.cfg')
    await writeFile(tlsFile, tlsConfig(options))
    await writeFile(file, kamailioConfig(options, { address: ADDRESS, port, tlsPort, tlsFile }))
    const args = ['-DD', '-E', '-f', file, '-Y', folder, '-w', folder, '-m', '64', '-M', '8']
    const child = spawn('kamailio', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      // A group of its own, so that all of its processes end with it.
      detached: true,
    })
    const made = new Kamailio(port, tlsPort, folder, child)
    try {
      await made.#ready()
    } catch (error) {
      const log = made.log
      await made.close()
      throw new Error(`Kamailio did not start:\n${log}`, { cause: error })
    }
    return made
  }

  /** The way to it by that protocol; over TLS it has to prove to be `serverName`. */
  hop(protocol: Protocol, serverName: string | null = null): Hop {
    const port = protocol === 'TLS' ? this.tlsPort : this.port
    return { address: ADDRESS, port, protocol, serverName }
  }

  /** The end of what it logged. */
  get log(): string {
    return this.#log
  }

  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      // Asked to end while it still starts its processes, it may take a minute; there is nothing that it should save.
      process.kill(-this.#process.pid!, 'SIGKILL')
      await ended
    }
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #ready(): Promise<void> {
    const clock = new SystemClock()
    const socket = createSocket('udp4').bind(0, ADDRESS)
    await once(socket, 'listening')
    let answered = false
    socket.on('message', () => {
      answered = true
    })
    // A closed port of this machine is reported as an error of the socket.
    socket.on('error', () => {})
    const untilMs = clock.monotonicMs() + READY_LIMIT_MS
    try {
      for (let turn = 1; !answered; turn++) {
        if (this.#process.exitCode !== null) throw new Error('it ended')
        if (clock.monotonicMs() > untilMs) throw new Error('it answers nothing')
        socket.send(optionsText(this.port, socket.address().port, turn), this.port, ADDRESS)
        await clock.sleep(POLL_MS, new AbortController().signal)
      }
    } finally {
      socket.close()
    }
  }
}

function optionsText(to: number, from: number, turn: number): string {
  return [
    `OPTIONS sip:${ADDRESS}:${to} SIP/2.0`,
    `Via: SIP/2.0/UDP ${ADDRESS}:${from};branch=z9hG4bKready${turn}`,
    'Max-Forwards: 10',
    `From: <sip:ready@${ADDRESS}>;tag=${turn}`,
    `To: <sip:${ADDRESS}:${to}>`,
    `Call-ID: ready-${from}`,
    `CSeq: ${turn} OPTIONS`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
}

/** A port that is free for UDP as well as for TCP. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, ADDRESS)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = createSocket('udp4').bind(port, ADDRESS)
  const outcome = await Promise.race([
    once(socket, 'listening').then(() => true),
    once(socket, 'error').then(() => false),
  ])
  const closed = once(server, 'close')
  server.close()
  if (outcome) socket.close()
  await closed
  return outcome ? port : freePort()
}
