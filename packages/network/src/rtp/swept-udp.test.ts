// Sockets of the C library: datagrams of both families, in order, bounded, and none left open.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { Fault, SystemClock } from '@saperly/kernel'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { builtFile } from '../media/thread.ts'
import { loadLibc } from './libc.ts'
import { MAX_PER_SWEEP, openSweptUdp, SweptUdp } from './swept-udp.ts'
import { type Datagrams, systemUdp } from './udp.ts'

interface Heard {
  text: string
  address: string
  port: number
  ageMs: number
}

describe.runIf(process.platform === 'linux')('sockets that are swept', () => {
  let udp: SweptUdp
  const others: Datagrams[] = []

  beforeAll(() => {
    const opened = openSweptUdp(new SystemClock())
    if (opened === null) throw new Error('the foreign-function package is not installed')
    udp = opened
  })

  afterEach(async () => {
    udp.close()
    await Promise.all(others.splice(0).map((socket) => socket.close()))
  })

  async function listener(address: string): Promise<{ socket: Datagrams; heard: Heard[] }> {
    const heard: Heard[] = []
    const socket = await udp.bind(address, 0, (data, from, port, ageMs) => {
      heard.push({ text: Buffer.from(data).toString(), address: from, port, ageMs })
    })
    return { socket, heard }
  }

  /** A socket of Node's that gathers what it is sent. */
  async function peer(
    address: string,
  ): Promise<{ socket: Datagrams; next: () => Promise<Partial<Heard>> }> {
    const heard: Partial<Heard>[] = []
    let wake = (): void => {}
    const socket = await systemUdp.bind(address, 0, (data, from, port) => {
      heard.push({ text: Buffer.from(data).toString(), address: from, port })
      wake()
    })
    others.push(socket)
    const next = async (): Promise<Partial<Heard>> => {
      if (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return heard.shift()!
    }
    return { socket, next }
  }

  /** Loopback delivers before `sendto` returns, but Node may send later. */
  async function until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise((resolve) => setImmediate(resolve))
      udp.sweep()
    }
  }

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    // An IPv4 peer of a socket for all addresses comes without its disguise, and can be answered.
    ['::', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
  ])('bound to %s it hears and answers %s', async (bound, from) => {
    const { socket, heard } = await listener(bound)
    const other = await peer(from)
    for (const text of ['one', 'two', 'three'])
      other.socket.send(Buffer.from(text), socket.port, from)
    await until(() => heard.length === 3)
    const { port } = other.socket
    expect(heard).toMatchObject(
      ['one', 'two', 'three'].map((text) => ({ text, address: from, port })),
    )
    socket.send(Buffer.from('back'), port, from)
    expect(await other.next()).toEqual({ text: 'back', address: from, port: socket.port })
  })

  test('peers are told apart, and each is sent its own', async () => {
    const { socket, heard } = await listener('127.0.0.1')
    const peers = [await peer('127.0.0.1'), await peer('127.0.0.1')]
    for (const round of [1, 2]) {
      for (const { socket: from } of peers)
        from.send(Buffer.from(`${round}`), socket.port, '127.0.0.1')
    }
    await until(() => heard.length === 4)
    for (const { socket: from } of peers) {
      expect(heard.filter(({ port }) => port === from.port).map(({ text }) => text)).toEqual([
        '1',
        '2',
      ])
    }
    for (const [at, to] of peers.entries()) {
      socket.send(Buffer.from(`for ${at}`), to.socket.port, '127.0.0.1')
    }
    expect((await peers[0]!.next()).text).toBe('for 0')
    expect((await peers[1]!.next()).text).toBe('for 1')
  })

  test('one sweep reads only so many of a flood, and the rest later', async () => {
    const flooded = await listener('127.0.0.1')
    const quiet = await listener('127.0.0.1')
    const sender = await listener('127.0.0.1')
    for (let i = 0; i < MAX_PER_SWEEP + 5; i++) {
      sender.socket.send(Buffer.from(`${i}`), flooded.socket.port, '127.0.0.1')
    }
    sender.socket.send(Buffer.from('quiet'), quiet.socket.port, '127.0.0.1')
    udp.sweep()
    expect([flooded.heard.length, quiet.heard.length]).toEqual([MAX_PER_SWEEP, 1])
    udp.sweep()
    expect(flooded.heard.map(({ text }) => text)).toEqual(
      Array.from({ length: MAX_PER_SWEEP + 5 }, (_, i) => `${i}`),
    )
  })

  test('what is too long for RTP is passed over, and nothing is cut', async () => {
    const { socket, heard } = await listener('127.0.0.1')
    const sender = await listener('127.0.0.1')
    for (const size of [5000, 2048, 0, 2049, 1]) {
      sender.socket.send(Buffer.alloc(size, 'x'), socket.port, '127.0.0.1')
    }
    udp.sweep()
    expect(heard.map(({ text }) => text.length)).toEqual([2048, 0, 1])
  })

  test('many are opened and closed, also by who hears something, and no descriptor is left', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length
    const before = descriptors()
    const heard: number[] = []
    const sockets: Datagrams[] = []
    for (let i = 0; i < 200; i++) {
      sockets.push(
        await udp.bind('127.0.0.1', 0, () => {
          heard.push(i)
          // Its neighbour has something to be read, too.
          void sockets[i ^ 1]!.close()
        }),
      )
    }
    const sender = await listener('127.0.0.1')
    for (const { port } of sockets) sender.socket.send(Buffer.from('x'), port, '127.0.0.1')
    udp.sweep()
    expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => 2 * i))
    expect(udp.open).toBe(101)
    udp.close()
    expect(udp.open).toBe(0)
    expect(descriptors()).toBe(before)
    // Closed ones stay silent.
    sockets[0]!.send(Buffer.from('x'), sender.socket.port, '127.0.0.1')
    udp.sweep()
    expect(sender.heard).toEqual([])
  })

  test('a taken port and an address of somebody else are refused, and nothing stays open', async () => {
    const { socket } = await listener('127.0.0.1')
    for (const [address, port] of [
      ['127.0.0.1', socket.port],
      ['192.0.2.1', 0],
      ['not an address', 0],
    ] as const) {
      const error: unknown = await udp
        .bind(address, port, () => {})
        .catch((fault: unknown) => fault)
      expect(error).toBeInstanceOf(Fault)
      expect((error as Fault).retryable).toBe(true)
    }
    expect(udp.open).toBe(1)
  })

  test('one that can’t be looked at is not opened', async () => {
    const libc = loadLibc()!
    const full = new SweptUdp(new SystemClock(), { ...libc, epoll_ctl: () => -1 }, -1)
    const before = readdirSync('/proc/self/fd').length
    await expect(full.bind('127.0.0.1', 0, () => {})).rejects.toMatchObject({ retryable: true })
    expect(full.open).toBe(0)
    expect(readdirSync('/proc/self/fd')).toHaveLength(before)
  })

  test('what can’t be sent is lost without a word', async () => {
    const { socket, heard } = await listener('127.0.0.1')
    socket.send(Buffer.from('x'), 9, '::1')
    socket.send(Buffer.from('x'), 9, 'nowhere')
    socket.send(Buffer.alloc(70_000), socket.port, '127.0.0.1')
    socket.send(Buffer.from('whole'), socket.port, '127.0.0.1')
    udp.sweep()
    expect(heard.map(({ text }) => text)).toEqual(['whole'])
  })

  test('says how long each had waited to be read', async () => {
    const { socket, heard } = await listener('127.0.0.1')
    const sender = await listener('127.0.0.1')
    const send = (text: string) => sender.socket.send(Buffer.from(text), socket.port, '127.0.0.1')
    const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    send('early')
    sleep(30)
    send('late')
    sleep(20)
    udp.sweep()
    const [early, late] = heard.map(({ ageMs }) => ageMs) as [number, number]
    expect(late).toBeGreaterThanOrEqual(20)
    expect(early - late).toBeGreaterThanOrEqual(30)
  })

  test('a thread that crashes leaves none open', async () => {
    const kernel = new URL('../../../kernel/dist/index.js', import.meta.url).href
    const built = builtFile(new URL('./swept-udp.ts', import.meta.url)).href
    const source = `
      import { parentPort } from 'node:worker_threads'
      import { SystemClock } from '${kernel}'
      import { openSweptUdp } from '${built}'
      const { port } = await openSweptUdp(new SystemClock()).bind('127.0.0.1', 0, () => {})
      parentPort.once('message', () => { throw new Error('boom') })
      parentPort.postMessage(port)`
    const entry = new URL(`data:text/javascript,${encodeURIComponent(source)}`)
    const worker = new Worker(entry, { execArgv: [] })
    const gone = new Promise((resolve) => worker.once('exit', resolve))
    worker.on('error', () => {})
    const [port] = (await once(worker, 'message')) as [number]
    await expect(udp.bind('127.0.0.1', port, () => {})).rejects.toThrow(Fault)
    worker.postMessage('crash')
    await gone
    expect((await udp.bind('127.0.0.1', port, () => {})).port).toBe(port)
  })

  test('reads by itself where nobody keeps time', async () => {
    const { socket, heard } = await listener('127.0.0.1')
    const sender = await listener('127.0.0.1')
    sender.socket.send(Buffer.from('x'), socket.port, '127.0.0.1')
    while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(heard).toHaveLength(1)
  })
})
