// Debian's nats-server as a process of the test: started on a port of its own, stopped, frozen, and started again.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'

export const NATS_SERVER = '/usr/sbin/nats-server'
/** Why there is none, or null. */
export const missingNats: string | null = existsSync(NATS_SERVER)
  ? null
  : 'no nats-server (Debian: apt-get install nats-server)'

export class NatsServer {
  readonly port: number
  readonly #arguments: readonly string[]
  #child: ChildProcess | null = null

  private constructor(port: number, more: readonly string[]) {
    this.port = port
    this.#arguments = ['-a', '127.0.0.1', '-p', String(port), ...more]
  }

  static async start(...more: string[]): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), more)
    await server.start()
    return server
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** Resolves when it says that it is ready. */
  async start(): Promise<void> {
    const child = spawn(NATS_SERVER, this.#arguments, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    let said = ''
    await new Promise<void>((ready, failed) => {
      child.once('exit', () => failed(new Error(`nats-server ended: ${said}`)))
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('Server is ready')) ready()
      })
    })
    child.removeAllListeners('exit')
  }

  /** Stops it where it stands, with its connections open: what a partition looks like. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (!child || child.exitCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
