// baresip inside a call: early media, hold from both sides, keys by INFO, and what each side then agrees on.
import { SystemClock, assert, silentLog, systemRandom } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import { udpHop } from '../../packages/network/src/sip/hop.ts'
import { Negotiation } from '../../packages/network/src/sip/negotiation.ts'
import type { OutgoingCall } from '../../packages/network/src/sip/outgoing-call.ts'
import { parseSdp } from '../../packages/network/src/sip/sdp.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import { Baresip, baresipMissing } from './baresip.ts'
import type { BaresipOptions } from './baresip.ts'
import { havePeer } from '../peers.ts'

const NUMBER = '+15555550123'
const ready = havePeer('test/sip/baresip-dialog.test.ts', baresipMissing)

/** A call of ours to a baresip; its media goes nowhere. */
class World {
  readonly clock = new SystemClock()
  readonly heard: CallEvent[] = []
  readonly side = new Negotiation({
    address: '127.0.0.1',
    port: 29_980,
    codecs: ['PCMU'],
    random: systemRandom,
  })
  #waiting: (() => void)[] = []
  #peer: Baresip | null = null
  #agent: UserAgent | null = null
  #call: OutgoingCall | null = null

  async call(options: Partial<BaresipOptions> = {}): Promise<void> {
    const peer = await Baresip.start({ answer: 'auto', numbers: [NUMBER], toneHz: 440, ...options })
    this.#peer = peer
    this.#agent = new UserAgent({
      transport: await openUdp({ address: '127.0.0.1', port: 0 }),
      clock: this.clock,
      random: systemRandom,
      log: silentLog,
    })
    this.#call = this.#agent.call(
      {
        to: `sip:${NUMBER}@127.0.0.1:${peer.port}`,
        via: udpHop(peer),
        from: 'sip:+15555550001@127.0.0.1',
        sdp: this.side.offer(),
      },
      (event) => {
        this.heard.push(event)
        if (event.type === 'reoffer') this.#answer(event)
        for (const look of this.#waiting) look()
      },
    )
  }

  get peer(): Baresip {
    return this.#peer!
  }

  get dialled(): OutgoingCall {
    return this.#call!
  }

  async until<T extends CallEvent['type']>(
    type: T,
    count = 1,
  ): Promise<Extract<CallEvent, { type: T }>> {
    for (;;) {
      const found = this.heard.filter(
        (event): event is Extract<CallEvent, { type: T }> => event.type === type,
      )
      if (found.length >= count) return found[count - 1]!
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  async close(): Promise<void> {
    await this.#agent?.close()
    await this.#peer?.close()
    const { transactions = 0, dialogs = 0 } = this.#agent ?? {}
    assert(transactions + dialogs + this.clock.pending() === 0, 'something was left behind')
  }

  #answer(event: Extract<CallEvent, { type: 'reoffer' }>): void {
    const answered = event.sdp === null ? null : this.side.answer(event.sdp)
    if (answered?.ok) event.answer(answered.value.sdp)
    else event.refuse(488)
  }
}

function directionOf(sdp: string | null): string {
  const read = parseSdp(sdp ?? '')
  return read.ok ? read.value.direction : read.failure
}

describe.skipIf(!ready)('baresip', () => {
  let w: World

  beforeEach(() => {
    w = new World()
  })

  afterEach(() => w.close())

  it('is heard before it answers', async () => {
    await w.call({ answer: 'early' })
    // It rings first.
    expect(await w.until('progress')).toMatchObject({ sipCode: 180, sdp: null })
    const early = await w.until('progress', 2)
    expect(early).toMatchObject({ sipCode: 183, sdp: expect.stringContaining('m=audio') })
    await w.peer.command('accept')
    const answered = await w.until('answered')
    expect(w.side.accept(answered.sdp!)).toMatchObject({ ok: true })
    w.dialled.hangUp()
    expect(await w.until('ended')).toMatchObject({ by: 'local' })
  })

  it('is held and taken back by us', async () => {
    await w.call()
    await w.until('answered')
    expect(w.dialled.session!.reinvite(w.side.offer('sendonly'))).toBe(true)
    expect(directionOf((await w.until('reinvited')).sdp)).toBe('recvonly')
    expect(w.dialled.session!.reinvite(w.side.offer())).toBe(true)
    expect(directionOf((await w.until('reinvited', 2)).sdp)).toBe('sendrecv')
  })

  it('holds us and takes us back', async () => {
    await w.call()
    await w.until('answered')
    await w.peer.command('hold')
    expect(directionOf((await w.until('reoffer')).sdp)).toMatch(/^(?:sendonly|inactive)$/)
    await w.peer.command('resume')
    expect(directionOf((await w.until('reoffer', 2)).sdp)).toBe('sendrecv')
  })

  it('understands our keys by INFO', async () => {
    await w.call()
    await w.until('answered')
    for (const digit of ['5', '#']) {
      w.dialled.session!.info({
        type: 'application/dtmf-relay',
        text: `Signal=${digit}\r\nDuration=160\r\n`,
      })
      await w.peer.sawParam('CALL_DTMF_START', digit)
    }
    expect(w.heard.some(({ type }) => type === 'ended')).toBe(false)
  })
})
