// The bus over a real nats-server: questions and answers, nobody there, a server that hangs, one that is restarted.
import { Ids, silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { checkBus } from '../../packages/server/src/bus-check.ts'
import { Messenger, type Question } from '../../packages/server/src/bus/messenger.ts'
import { NatsBus } from '../../packages/server/src/bus/nats.ts'
import { MAX_MESSAGE_BYTES } from '../../packages/server/src/bus/port.ts'
import { havePeer } from '../peers.ts'
import { until } from '../world.ts'
import { missingNats, NatsServer } from './nats-server.ts'

const here = havePeer('the bus over NATS', missingNats)
const double: Question<number, number> = { name: 'double', schema: z.number(), answer: z.number() }
const limitMs = 10_000

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function server(...more: string[]): Promise<NatsServer> {
  const nats = await NatsServer.start(...more)
  closers.push(() => nats.kill())
  return nats
}

function join(url: string) {
  const clock = new SystemClock()
  const bus = new NatsBus({ urls: [url], clock, log: silentLog })
  const processId = new Ids(clock, systemRandom).next('req')
  const messenger = new Messenger({ bus, prefix: 'test', processId, clock, log: silentLog })
  closers.push(async () => {
    messenger.close()
    await bus.close()
    expect(clock.pending()).toBe(0)
  })
  return { bus, processId, messenger }
}

const up = (bus: NatsBus) => until('the bus', async () => bus.up)

describe.runIf(here)('over a real nats-server', () => {
  test('a question is answered; nobody is known at once; too long a message is not sent', async () => {
    const { url } = await server()
    const [a, b] = [join(url), join(url)]
    b.messenger.answer(double, b.processId, async (n) => n * 2)
    await Promise.all([up(a.bus), up(b.bus)])
    await until('the subscription', async () => {
      const { kind } = await a.messenger.ask(double, b.processId, 1, { limitMs })
      return kind === 'answer'
    })
    expect(await a.messenger.ask(double, b.processId, 21, { limitMs })).toEqual({
      kind: 'answer',
      value: 42,
    })
    expect(await a.messenger.ask(double, 'elsewhere', 21, { limitMs })).toEqual({ kind: 'nobody' })
    expect(a.bus.publish('test.x', 'x'.repeat(MAX_MESSAGE_BYTES + 1))).toBe(false)
  })

  test('with a user and a password, and with a token', async () => {
    const { port } = await server('--user', 'us', '--pass', 'p w')
    const named = join(`nats://us:p%20w@127.0.0.1:${port}`)
    const { port: other } = await server('--auth', 'token')
    const tokened = join(`nats://token@127.0.0.1:${other}`)
    await Promise.all([up(named.bus), up(tokened.bus)])
    expect([named.bus.up, tokened.bus.up]).toEqual([true, true])
    // What the doctor asks.
    const asked = ['us:p%20w', 'us:wrong'].map((who) => [`nats://${who}@127.0.0.1:${port}`])
    const answers = await Promise.all(asked.map((natsUrls) => checkBus({ natsUrls }, 2_000)))
    expect(answers).toEqual([true, false])
  })

  test(
    'a server that hangs is noticed, and asked again when it goes on',
    { timeout: 60_000 },
    async () => {
      const nats = await server()
      const [a, b] = [join(nats.url), join(nats.url)]
      const taken: number[] = []
      b.messenger.answer(double, b.processId, async (n) => {
        taken.push(n)
        return n * 2
      })
      await Promise.all([up(a.bus), up(b.bus)])
      nats.freeze()
      closers.push(async () => nats.thaw())
      await until('both to notice', async () => !a.bus.up && !b.bus.up)
      expect(await a.messenger.ask(double, b.processId, 1, { limitMs })).toEqual({ kind: 'away' })
      nats.thaw()
      await until('an answer', async () => {
        const { kind } = await a.messenger.ask(double, b.processId, 2, { limitMs: 1_000 })
        return kind === 'answer'
      })
      expect(new Set(taken)).toEqual(new Set([2]))
    },
  )

  test(
    'a server that dies and comes back, and one that comes later',
    { timeout: 60_000 },
    async () => {
      const nats = await server()
      const a = join(nats.url)
      await up(a.bus)
      await nats.kill()
      await until('it to be noticed', async () => !a.bus.up)
      const late = join(nats.url)
      late.messenger.answer(double, late.processId, async (n) => n * 2)
      await nats.start()
      await Promise.all([up(a.bus), up(late.bus)])
      const answered = await until('an answer', async () => {
        const reply = await a.messenger.ask(double, late.processId, 2, { limitMs: 1_000 })
        return reply.kind === 'answer' && reply
      })
      expect(answered).toEqual({ kind: 'answer', value: 4 })
    },
  )
})
