// Two of our user agents over a simulated network: calls, races, silence, loss, forks, transfers; and nothing leaks.
import { SimClock, drain, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import type { CallEvent } from './call-event.ts'
import type { IncomingCall } from './incoming-call.ts'
import { udpHop } from './hop.ts'
import { SimNetwork } from './sim-network.ts'
import type { Datagram } from './sim-network.ts'
import { UserAgent } from './user-agent.ts'

const ALICE = udpHop({ address: '10.0.0.1', port: 5060 })
const BOB = udpHop({ address: '10.0.0.2', port: 5060 })
const OFFER = 'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\n'

/** Drops the first datagram whose text matches each pattern. */
function dropFirst(...patterns: RegExp[]): (datagram: Datagram) => boolean {
  const left = [...patterns]
  return ({ text }) => {
    const at = left.findIndex((pattern) => pattern.test(text))
    if (at >= 0) left.splice(at, 1)
    return at >= 0
  }
}

interface Pair {
  clock: SimClock
  alice: UserAgent
  bob: UserAgent
  wire: string[]
  /** Rings bob; `heard` collects what alice's call says. */
  dial(more?: { silenceMs?: number }): {
    heard: CallEvent[]
    call: ReturnType<UserAgent['call']>
  }
  /** Types heard. */
  settle(): Promise<void>
}

function pair(
  onCall: (call: IncomingCall, clock: SimClock) => void,
  drops: (datagram: Datagram) => boolean = () => false,
): Pair {
  const clock = new SimClock()
  const wire: string[] = []
  const network = new SimNetwork(clock, 10, (datagram) => {
    wire.push(`${datagram.from.address} ${datagram.text.split('\r\n')[0]!}`)
    return drops(datagram)
  })
  const make = (local: typeof ALICE, seed: number): UserAgent =>
    new UserAgent({
      transport: network.open(local),
      clock,
      random: seededRandom(seed),
      log: silentLog,
      onCall: (call) => onCall(call, clock),
    })
  const alice = make(ALICE, 1)
  const bob = make(BOB, 2)
  return {
    clock,
    alice,
    bob,
    wire,
    dial: (more) => {
      const heard: CallEvent[] = []
      const call = alice.call(
        { to: 'sip:bob@10.0.0.2', via: BOB, from: 'sip:alice@10.0.0.1', sdp: OFFER, ...more },
        (event) => heard.push(event),
      )
      return { heard, call }
    },
    settle: async () => {
      await clock.advance(200_000)
      expect([alice.transactions, alice.dialogs, bob.transactions, bob.dialogs]).toEqual([
        0, 0, 0, 0,
      ])
      expect(clock.pending()).toBe(0)
    },
  }
}

const types = (events: readonly CallEvent[]): string[] => events.map(({ type }) => type)
const lastOf = (events: readonly CallEvent[]): CallEvent => events.at(-1)!

describe('a call', () => {
  it('rings, is answered, and is ended by the caller', async () => {
    const bobHeard: CallEvent[] = []
    const p = pair((call) => {
      call.listen((event) => bobHeard.push(event))
      call.ring()
      call.answer('v=0\r\nanswer')
    })
    const { heard, call } = p.dial()
    await p.clock.advance(100)
    call.hangUp()
    await p.clock.advance(100)
    expect(types(heard)).toEqual(['trying', 'progress', 'answered', 'ended'])
    expect(heard[2]).toMatchObject({ sdp: 'v=0\r\nanswer' })
    expect(lastOf(heard)).toMatchObject({ by: 'local' })
    expect(types(bobHeard)).toEqual(['answered', 'confirmed', 'ended'])
    expect(lastOf(bobHeard)).toMatchObject({ by: 'remote', reason: { q850: 16 } })
    await p.settle()
  })

  it('is ended by the callee', async () => {
    const p = pair((call, clock) => {
      call.answer('v=0')
      clock.schedule(1000, () => call.hangUp(16))
    })
    const { heard } = p.dial()
    await p.clock.advance(2000)
    expect(lastOf(heard)).toMatchObject({ type: 'ended', by: 'remote', reason: { q850: 16 } })
    await p.settle()
  })

  it('is refused with a Q.850 cause', async () => {
    const p = pair((call) => call.reject(486, 17))
    const { heard } = p.dial()
    await p.clock.advance(100)
    expect(lastOf(heard)).toMatchObject({
      type: 'failed',
      cause: 'refused',
      sipCode: 486,
      reason: { q850: 17 },
    })
    await p.settle()
  })

  it('reports silence, and times out', async () => {
    const p = pair(
      () => {},
      () => true,
    )
    const { heard } = p.dial({ silenceMs: 3000 })
    await p.clock.advance(3001)
    expect(types(heard)).toEqual(['silent'])
    await p.clock.advance(30_000)
    expect(lastOf(heard)).toMatchObject({ type: 'failed', cause: 'timeout', sipCode: null })
    expect(p.wire.length).toBe(7)
    await p.settle()
  })
})

describe('CANCEL', () => {
  it('waits for the first provisional response', async () => {
    const bobHeard: CallEvent[] = []
    const p = pair((call) => call.listen((event) => bobHeard.push(event)))
    const { heard, call } = p.dial()
    call.cancel()
    expect(p.wire.length).toBe(1)
    await p.clock.advance(100)
    expect(types(heard)).toEqual(['failed'])
    expect(lastOf(heard)).toMatchObject({ cause: 'cancelled', sipCode: 487 })
    expect(types(bobHeard)).toEqual(['cancelled'])
    await p.settle()
  })

  it('that crosses a 200 ends in ACK and BYE', async () => {
    const bobHeard: CallEvent[] = []
    const p = pair((call, clock) => {
      call.listen((event) => bobHeard.push(event))
      call.ring()
      clock.schedule(100, () => call.answer('v=0'))
    })
    const { heard, call } = p.dial()
    await p.clock.advance(115)
    call.cancel()
    await p.clock.advance(1000)
    expect(lastOf(heard)).toMatchObject({ type: 'failed', cause: 'cancelled' })
    expect(types(heard)).not.toContain('answered')
    expect(lastOf(bobHeard)).toMatchObject({ type: 'ended', by: 'remote' })
    expect(p.wire.filter((line) => / (CANCEL|ACK|BYE) /.test(line)).length).toBe(3)
    await p.settle()
  })

  it('that wins over the answer is a 487 on the wire', async () => {
    const p = pair((call, clock) => {
      call.ring()
      clock.schedule(100, () => call.answer('v=0'))
    })
    const { heard, call } = p.dial()
    await p.clock.advance(95)
    call.cancel()
    await p.clock.advance(1000)
    expect(lastOf(heard)).toMatchObject({ type: 'failed', cause: 'cancelled', sipCode: 487 })
    await p.settle()
  })

  it('of a silent call lives on: a late 1xx brings the CANCEL', async () => {
    let deaf = true
    const p = pair(
      () => {},
      ({ from }) => deaf && from.address === BOB.address,
    )
    const { heard, call } = p.dial({ silenceMs: 3000 })
    await p.clock.advance(4000)
    call.cancel()
    deaf = false
    await p.clock.advance(10_000)
    expect(types(heard)).toEqual(['silent', 'failed'])
    expect(p.wire.some((line) => line.includes('CANCEL'))).toBe(true)
    await p.settle()
  })

  it('of a call whose answer comes after the timeout: acknowledged and ended', async () => {
    let deaf = true
    const bobHeard: CallEvent[] = []
    const p = pair(
      (call, clock) => {
        call.listen((event) => bobHeard.push(event))
        clock.schedule(20_000, () => call.answer('v=0'))
      },
      ({ from }) => deaf && from.address === BOB.address,
    )
    const { heard } = p.dial()
    await p.clock.advance(33_000)
    expect(lastOf(heard)).toMatchObject({ type: 'failed', cause: 'timeout' })
    deaf = false
    await p.clock.advance(10_000)
    expect(lastOf(bobHeard)).toMatchObject({ type: 'ended', by: 'remote' })
    await p.settle()
  })
})

describe('loss', () => {
  it.each([
    ['INVITE', /^INVITE/],
    ['200 of INVITE', /^SIP\/2.0 200[^]*CSeq: 1 INVITE/],
    ['ACK', /^ACK/],
    ['BYE', /^BYE/],
    ['200 of BYE', /^SIP\/2.0 200[^]*BYE/],
  ])('of the first %s is repaired', async (_, pattern) => {
    const bobHeard: CallEvent[] = []
    const p = pair((call) => {
      call.listen((event) => bobHeard.push(event))
      call.answer('v=0')
    }, dropFirst(pattern))
    const { heard, call } = p.dial()
    await p.clock.advance(3000)
    call.hangUp()
    await p.clock.advance(3000)
    expect(types(heard)).toEqual(['trying', 'answered', 'ended'])
    expect(types(bobHeard)).toEqual(['answered', 'confirmed', 'ended'])
    await p.settle()
  })

  it('of the ACK makes a callee that hangs up wait with its BYE', async () => {
    const p = pair((call) => {
      call.answer('v=0')
      call.hangUp()
    }, dropFirst(/^ACK/))
    const { heard } = p.dial()
    await p.clock.advance(3000)
    expect(types(heard)).toEqual(['trying', 'answered', 'ended'])
    const order = p.wire.map((line) => line.split(' ')[1]!)
    expect(order.indexOf('BYE')).toBeGreaterThan(order.lastIndexOf('ACK'))
    await p.settle()
  })

  it('of every ACK ends the call as lost', async () => {
    const bobHeard: CallEvent[] = []
    const p = pair(
      (call) => {
        call.listen((event) => bobHeard.push(event))
        call.answer('v=0')
      },
      ({ text }) => text.startsWith('ACK'),
    )
    const { heard } = p.dial()
    await p.clock.advance(40_000)
    expect(lastOf(bobHeard)).toMatchObject({ type: 'ended', by: 'lost' })
    expect(lastOf(heard)).toMatchObject({ type: 'ended', by: 'remote' })
    await p.settle()
  })

  it('of 10 % each way: 200 calls of every kind reach the right end', async () => {
    const dice = seededRandom(99)
    let asked = 0
    const p = pair(
      (call, clock) => {
        const kind = asked++ % 4
        call.ring()
        if (kind === 0) call.reject(486)
        else if (kind === 1) clock.schedule(2000, () => call.answer('v=0'))
        else if (kind === 2) {
          call.answer('v=0')
          clock.schedule(5000, () => call.hangUp())
        }
      },
      () => dice.float() < 0.1,
    )
    const calls: CallEvent[][] = []
    for (let i = 0; i < 200; i++) {
      const { heard, call } = p.dial()
      calls.push(heard)
      p.clock.schedule(30_000, () => call.hangUp())
      await p.clock.advance(50)
    }
    await p.clock.advance(100_000)
    const ends = calls.map((heard) => lastOf(heard))
    const count = (test: (end: CallEvent) => boolean): number => ends.filter(test).length
    expect(count((end) => end.type === 'failed' && end.sipCode === 486)).toBe(50)
    expect(count((end) => end.type === 'ended' && end.by === 'local')).toBe(50)
    expect(count((end) => end.type === 'ended' && end.by === 'remote')).toBe(50)
    expect(count((end) => end.type === 'failed' && end.cause === 'cancelled')).toBe(50)
    await p.settle()
  })
})

describe('loss of 10 % each way inside calls', () => {
  it('60 calls are held, resumed and transferred, and each ends as it should', async () => {
    const dice = seededRandom(4)
    const p = pair(
      (call) => {
        call.listen((event) => {
          if (event.type === 'reoffer') event.answer('v=0\r\nheld')
          if (event.type !== 'referRequested') return
          const report = event.accept()
          report(180)
          report(200)
        })
        call.answer('v=0')
      },
      () => dice.float() < 0.1,
    )
    const calls = Array.from({ length: 60 }, () => p.dial())
    await p.clock.advance(40_000)
    for (const { call } of calls) call.session!.reinvite('v=0\r\nhold')
    await p.clock.advance(40_000)
    for (const { call } of calls) call.session!.refer('sip:carol@10.0.0.3')
    await p.clock.advance(40_000)
    for (const { call } of calls) call.hangUp()
    await p.clock.advance(40_000)
    for (const { heard } of calls) {
      expect(heard).toContainEqual({ type: 'reinvited', sdp: 'v=0\r\nheld', sipCode: 200 })
      expect(heard).toContainEqual({
        type: 'referDone',
        outcome: { transferred: true, sipCode: 200 },
      })
      expect(lastOf(heard)).toMatchObject({ type: 'ended', by: 'local' })
    }
    await p.settle()
  })
})

describe('closing', () => {
  it('waits for the ACK that a BYE has to wait for', async () => {
    const closing: Promise<void>[] = []
    const p = pair((call) => {
      call.answer('v=0')
      closing.push(p.bob.close())
    })
    const { heard } = p.dial()
    await p.clock.advance(5000)
    await Promise.all(closing)
    expect(types(heard)).toEqual(['trying', 'answered', 'ended'])
    await p.settle()
  })

  it('hangs up what lives and gives everything back', async () => {
    const bobHeard: CallEvent[] = []
    let count = 0
    const p = pair((call) => {
      call.listen((event) => bobHeard.push(event))
      if (count++ === 0) call.answer('v=0')
      else call.ring()
    })
    const one = p.dial()
    const two = p.dial()
    await p.clock.advance(1000)
    const closed = Promise.all([p.alice.close(), p.bob.close()])
    await p.clock.advance(5000)
    await closed
    await drain()
    expect(lastOf(one.heard)).toMatchObject({ type: 'ended' })
    expect(lastOf(two.heard)).toMatchObject({ type: 'failed' })
    expect(p.alice.transactions + p.bob.transactions + p.alice.dialogs + p.bob.dialogs).toBe(0)
    expect(p.clock.pending()).toBe(0)
  })
})
