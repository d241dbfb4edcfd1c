// SIPp as a peer of odd habits: each scenario file says what it expects of us, and fails when something else comes.
import { SystemClock, assert, silentLog, systemRandom } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import type { IncomingCall } from '../../packages/network/src/sip/incoming-call.ts'
import { Negotiation } from '../../packages/network/src/sip/negotiation.ts'
import type { OutgoingCall } from '../../packages/network/src/sip/outgoing-call.ts'
import { udpHop } from '../../packages/network/src/sip/hop.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import { scenarioFile, sippMissing, startSipp } from './sipp.ts'
import type { SippOptions } from './sipp.ts'
import { havePeer } from '../peers.ts'

const ready = havePeer('test/sip/sipp-flows.test.ts', sippMissing)

/** `exitCode` is SIPp's: 0 when every message was the one that its scenario expects. */
interface Outcome {
  exitCode: number
  heard: CallEvent[]
}

/** One user agent of ours for one flow; `close` proves that nothing is left of it. */
class Side {
  readonly clock = new SystemClock()
  readonly heard: CallEvent[] = []
  readonly negotiation = new Negotiation({
    address: '127.0.0.1',
    port: 29_990,
    codecs: ['PCMU', 'PCMA'],
    random: systemRandom,
  })
  #waiting: (() => void)[] = []
  #agent: UserAgent | null = null

  async open(onCall: (call: IncomingCall) => void): Promise<UserAgent> {
    this.#agent = new UserAgent({
      transport: await openUdp({ address: '127.0.0.1', port: 0 }),
      clock: this.clock,
      random: systemRandom,
      log: silentLog,
      onCall,
    })
    return this.#agent
  }

  hear(event: CallEvent): void {
    this.heard.push(event)
    if (event.type === 'reoffer') this.#answer(event)
    for (const look of this.#waiting) look()
  }

  async until(type: CallEvent['type'], count = 1): Promise<CallEvent> {
    for (;;) {
      const found = this.heard.filter((event) => event.type === type)
      if (found.length >= count) return found.at(-1)!
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  async close(): Promise<void> {
    await this.#agent!.close()
    const { transactions, dialogs } = this.#agent!
    assert(transactions + dialogs + this.clock.pending() === 0, 'something was left behind')
  }

  #answer(event: Extract<CallEvent, { type: 'reoffer' }>): void {
    if (event.sdp === null) return event.answer(this.negotiation.offer())
    const answered = this.negotiation.answer(event.sdp)
    if (answered.ok) event.answer(answered.value.sdp)
    else event.refuse(488)
  }
}

describe.skipIf(!ready)('SIPp is called', () => {
  /** Calls it; `during` is what we do once it has answered, before we hang up. */
  async function flow(
    name: string,
    during: (call: OutgoingCall, side: Side) => Promise<void> = async () => {},
    options: SippOptions = {},
  ): Promise<Outcome> {
    const sipp = await startSipp(await scenarioFile(name), 1, options)
    const side = new Side()
    const agent = await side.open((call) => call.reject(480))
    const call = agent.call(
      {
        to: `sip:+15555550123@127.0.0.1:${sipp.port}`,
        via: udpHop(sipp),
        from: 'sip:+15555550001@127.0.0.1',
        sdp: side.negotiation.offer(),
        credentials: { username: 'agent', password: 'secret' },
        redirects: { max: 3, allow: (uri) => uri.includes(`127.0.0.1:${sipp.port}`) },
      },
      (event) => side.hear(event),
    )
    await side.until('answered')
    await during(call, side)
    call.hangUp()
    const exitCode = await sipp.done
    await side.until('ended')
    await side.close()
    await sipp.close()
    return { exitCode, heard: side.heard }
  }

  const reinvite = async (call: OutgoingCall, side: Side): Promise<void> => {
    call.session!.reinvite(side.negotiation.offer('sendonly'))
    await side.until('reinvited')
  }

  const untilHungUp = async (_: OutgoingCall, side: Side): Promise<void> => {
    await side.until('ended')
  }

  it.each(['422-then-accepted', '302-then-answered'])('%s', async (name) => {
    expect(await flow(name)).toMatchObject({ exitCode: 0 })
  })

  it.each(['491-then-accepted', '401-in-the-call'])('%s', async (name) => {
    const { exitCode, heard } = await flow(name, reinvite)
    expect(exitCode).toBe(0)
    expect(heard).toContainEqual(expect.objectContaining({ type: 'reinvited', sipCode: 200 }))
  })

  it('183-then-prack', async () => {
    const { exitCode, heard } = await flow('183-then-prack')
    expect(exitCode).toBe(0)
    expect(heard).toMatchObject([
      { type: 'trying' },
      { type: 'progress', sipCode: 183 },
      { type: 'progress', sipCode: 180 },
      { type: 'answered', sdp: expect.stringContaining('29996') },
      { type: 'ended', by: 'local' },
    ])
  })

  it('forked-200s', async () => {
    const { exitCode, heard } = await flow('forked-200s', untilHungUp)
    expect(exitCode).toBe(0)
    expect(heard.filter(({ type }) => type === 'answered').length).toBe(1)
  })

  it('retransmitted-200s', async () => {
    const during = async (call: OutgoingCall, side: Side): Promise<void> => {
      await side.until('info')
      await reinvite(call, side)
      await untilHungUp(call, side)
    }
    // A repeated ACK is what this is about; SIPp would answer it with what it sent last.
    const { exitCode } = await flow('retransmitted-200s', during, { repeats: false })
    expect(exitCode).toBe(0)
  })

  it('odd-description-accepted', async () => {
    let agreed: unknown = null
    const { exitCode, heard } = await flow('odd-description-accepted', async (_, side) => {
      const answered = await side.until('answered')
      agreed = side.negotiation.accept((answered as { sdp: string }).sdp)
    })
    expect(exitCode).toBe(0)
    expect(agreed).toMatchObject({
      ok: true,
      value: { remote: { address: '127.0.0.1', port: 29_996 }, codec: 'PCMA' },
    })
    expect(heard).toContainEqual(expect.objectContaining({ type: 'progress', sipCode: 183 }))
  })

  it('update-at-half-time', async () => {
    expect(await flow('update-at-half-time', untilHungUp)).toMatchObject({ exitCode: 0 })
  })
})

describe.skipIf(!ready)('SIPp calls', () => {
  /** It calls us, and we answer; `onCall` does more. */
  async function flow(
    name: string,
    onCall: (call: IncomingCall, side: Side) => void = () => {},
    options: SippOptions & { calls?: number } = {},
  ): Promise<Outcome> {
    const side = new Side()
    const agent = await side.open((call) => {
      call.listen((event) => {
        side.hear(event)
        if (event.type === 'confirmed') onCall(call, side)
      })
      call.ring()
      const answered = call.sdp === null ? null : side.negotiation.answer(call.sdp)
      call.answer(answered?.ok ? answered.value.sdp : side.negotiation.offer())
    })
    const { calls = 1, ...more } = options
    const sipp = await startSipp(await scenarioFile(name), calls, {
      ...more,
      remote: agent.address,
    })
    const exitCode = await sipp.done
    if (exitCode === 0) await side.until('ended', calls)
    await side.close()
    await sipp.close()
    return { exitCode, heard: side.heard }
  }

  it.each([
    '100rel-required',
    'short-session-refused',
    'hold-and-resume',
    'unusable-offer-refused',
  ])('%s', async (name) => {
    expect(await flow(name)).toMatchObject({ exitCode: 0 })
  })

  it('late-offer', async () => {
    const { exitCode, heard } = await flow('late-offer')
    expect(exitCode).toBe(0)
    const answers = heard.flatMap((event) => (event.type === 'confirmed' ? [event.sdp] : []))
    expect(answers).toEqual(Array(2).fill(expect.stringContaining('m=audio 29996')))
  })

  it('keys-by-info', async () => {
    const { exitCode, heard } = await flow('keys-by-info')
    expect(exitCode).toBe(0)
    expect(heard.filter(({ type }) => type === 'info')).toMatchObject([
      { contentType: 'application/dtmf-relay', body: expect.stringContaining('Signal=5') },
      { contentType: 'application/dtmf', body: expect.stringContaining('#') },
    ])
  })

  it('offer-crossed-491', async () => {
    const { exitCode, heard } = await flow('offer-crossed-491', (call, { negotiation }) => {
      call.session!.update(negotiation.offer('sendonly'))
    })
    expect(exitCode).toBe(0)
    expect(heard).toContainEqual(expect.objectContaining({ type: 'reinvited', sipCode: 200 }))
  })

  it('500 calls at 50 a second: all complete', async () => {
    const { exitCode, heard } = await flow('load', () => {}, { calls: 500, rate: 50 })
    expect(exitCode).toBe(0)
    expect(heard.filter(({ type }) => type === 'confirmed').length).toBe(500)
    expect(heard.filter(({ type }) => type === 'ended').length).toBe(500)
  }, 90_000)
})
