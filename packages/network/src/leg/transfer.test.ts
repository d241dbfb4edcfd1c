// Transfers under simulated time: by REFER, and by a second leg and a bridge wherever REFER does not do it.
import { describe, expect, it } from 'vitest'
import type { NetworkEvent } from '../port.ts'
import type { CallEvent } from '../sip/call-event.ts'
import type { IncomingCall } from '../sip/incoming-call.ts'
import { Negotiation } from '../sip/negotiation.ts'
import { seededRandom } from '@saperly/kernel'
import { CARRIER_A, PHONE, answerTo, last, trunk, world } from '../testing-node.ts'
import type { World } from '../testing-node.ts'
import { TRANSFER_TABLE } from './transfer.ts'

const TARGET = '+15555550199'

/** A call whose peer does `onRefer`, and whose target (a second call to the same phone) does `onTarget`. */
async function connected(options: {
  onRefer?: (event: Extract<CallEvent, { type: 'referRequested' }>) => void
  onTarget?: (call: IncomingCall, w: World) => void
  drops?: (text: string) => boolean
}) {
  const { onRefer = () => {}, onTarget = answersAfter(2000), drops = () => false } = options
  const w = await world([], ({ text }) => drops(text))
  const peer: CallEvent[] = []
  const target: CallEvent[] = []
  const calls: IncomingCall[] = []
  w.agent(PHONE, (call) => {
    calls.push(call)
    if (calls.length > 1) {
      call.listen((event) => target.push(event))
      return onTarget(call, w)
    }
    call.listen((event) => {
      peer.push(event)
      if (event.type === 'referRequested') onRefer(event)
    })
    call.answer(answerTo(call, w.clock))
  })
  w.dial()
  await w.clock.advance(1000)
  w.node.post({ type: 'transfer', callId: 'call_1', to: TARGET })
  await w.clock.advance(1000)
  return { w, peer, target, calls }
}

function answersAfter(ms: number) {
  return (call: IncomingCall, w: World): void => {
    call.ring()
    w.clock.schedule(ms, () => call.answer(answerTo(call, w.clock)))
  }
}

function bridge(w: World): void {
  const about = { to: TARGET, from: '+15555550001', callerIdName: null, ringTimeoutMs: 20_000 }
  w.node.post({ type: 'bridge', callId: 'call_1', ...about })
}

/** What the node told since the answer, but for the changes of dialogs. */
function told(w: World): string[] {
  const types = w.events.flatMap(({ type, callId }) => {
    expect(callId).toBe('call_1')
    return type.toLowerCase().endsWith('dialog') ? [] : [type]
  })
  return types.slice(types.indexOf('answered') + 1)
}

function bridgings(w: World): string[] {
  return w.media.commands.flatMap((command) => {
    if (command.type === 'bridge') return [`${command.stage} ${command.targetLegId}`]
    return command.type === 'unbridge' ? ['unbridge'] : []
  })
}

const endedBy = (events: CallEvent[]): CallEvent | undefined =>
  events.find(({ type }) => type === 'ended' || type === 'cancelled')

describe('a REFER', () => {
  it.each([
    ['refused', () => {}, 603, 1000],
    [
      'taken, after which nothing comes for 32 s',
      (event: { accept: (reports: boolean) => unknown }) => void event.accept(false),
      null,
      33_000,
    ],
  ])('%s: the leg asks to be bridged, and goes on', async (_, onRefer, sipCode, afterMs) => {
    const { w } = await connected({ onRefer })
    await w.clock.advance(afterMs)
    expect(last(w)).toMatchObject({ type: 'bridgeWanted', sipCode })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.clock.advance(1000)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'local_hangup' })
    await w.finish()
  })

  it('that is not answered at all is one that the far side does not know', async () => {
    const { w } = await connected({ drops: (text) => text.startsWith('REFER') })
    await w.clock.advance(33_000)
    expect(last(w)).toMatchObject({ type: 'bridgeWanted', sipCode: null })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })

  it('that is taken and followed by a busy target fails, without a bridge', async () => {
    const { w } = await connected({ onRefer: (event) => event.accept()(486) })
    expect(told(w)).toEqual(['transferAccepted', 'transferFailed'])
    expect(last(w)).toMatchObject({ sipCode: 486 })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })
})

describe('a bridge', () => {
  it('calls the target from the number of the call, lets the peer hear it ring, and joins them', async () => {
    const { w, calls } = await connected({})
    bridge(w)
    await w.clock.advance(1000)
    expect(calls[1]!.requestUri).toBe(`sip:${TARGET}@127.0.0.1:6000`)
    expect(calls[1]!.from.uri).toBe('sip:+15555550001@127.0.0.1')
    expect(told(w)).toEqual(['bridgeWanted', 'transferAccepted'])
    const opened = w.media.commands.findLast(({ type }) => type === 'open')
    expect(opened).toMatchObject({ legId: 'call_1.1', beside: 'call_1', talk: null })
    expect(bridgings(w)).toEqual(['ringing call_1.1'])
    await w.clock.advance(2000)
    expect(bridgings(w)).toEqual(['ringing call_1.1', 'joined call_1.1'])
    const joined = w.events.find(({ type }) => type === 'bridged')
    expect(joined).toMatchObject({ dialog: { remoteUri: `sip:${TARGET}@127.0.0.1:6000` } })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })

  it.each([
    ['the peer hangs up', 0, 'transferred'],
    ['the target hangs up', 1, 'transferred'],
  ])('ends on both sides when %s', async (_, who, cause) => {
    const { w, calls, peer, target } = await connected({})
    bridge(w)
    await w.clock.advance(6000)
    calls[who]!.hangUp()
    await w.clock.advance(100)
    expect(endedBy(peer)).toMatchObject({ by: who === 0 ? 'local' : 'remote' })
    expect(endedBy(target)).toMatchObject({ by: who === 1 ? 'local' : 'remote' })
    expect(told(w)).toEqual(['bridgeWanted', 'transferAccepted', 'bridged', 'unbridged', 'ended'])
    const [unbridged, ended] = w.events.slice(-2) as [
      NetworkEvent & { type: 'unbridged' },
      NetworkEvent & { type: 'ended' },
    ]
    expect(ended.cause).toBe(cause)
    expect(unbridged.measuredMs).toBeGreaterThan(3900)
    expect(unbridged.measuredMs).toBeLessThan(4100)
    expect(ended.measuredMs).toBeGreaterThan(7900)
    await w.finish()
  })

  it.each(['call_1', 'call_1.1'])(
    'ends on both sides when nothing is heard on %s',
    async (legId) => {
      const { w, peer, target } = await connected({})
      bridge(w)
      await w.clock.advance(4000)
      w.media.tell({ type: 'mediaLost', legId, silentMs: 15_000 })
      await w.clock.advance(100)
      expect(last(w)).toMatchObject({ type: 'ended', cause: 'media_lost' })
      expect([endedBy(peer), endedBy(target)]).toMatchObject([{ by: 'remote' }, { by: 'remote' }])
      await w.finish()
    },
  )

  it.each([
    ['is busy', (call: IncomingCall) => call.reject(486), 486],
    ['does not answer in time', (call: IncomingCall) => call.ring(), null],
    ['is refused by its carrier', (call: IncomingCall) => call.reject(503), 503],
  ])(
    'whose target %s leaves the call as it was, and may be tried again',
    async (_, onTarget, sipCode) => {
      const { w, calls } = await connected({ onTarget })
      bridge(w)
      await w.clock.advance(21_000)
      expect(last(w)).toMatchObject({ type: 'transferFailed', sipCode })
      expect(calls[0]!.session).not.toBe(null)
      const before = bridgings(w)
      expect(before).toEqual(sipCode === null ? ['ringing call_1.1', 'unbridge'] : [])
      bridge(w)
      await w.clock.advance(21_000)
      expect(last(w)).toMatchObject({ type: 'transferFailed', sipCode })
      expect(bridgings(w).slice(before.length)).toEqual(
        before.map((one) => one.replace('.1', '.2')),
      )
      w.node.post({ type: 'hangUp', callId: 'call_1' })
      await w.finish()
    },
  )

  it('is given up with the call, in every phase of the target', async () => {
    for (const afterMs of [0, 1, 6, 11, 16, 1000, 2004, 2009, 2014, 2030]) {
      const { w, target } = await connected({ onTarget: answersAfter(2000) })
      bridge(w)
      await w.clock.advance(afterMs)
      w.node.post({ type: 'hangUp', callId: 'call_1' })
      await w.clock.advance(1000)
      expect(last(w)).toMatchObject({ type: 'ended', cause: 'local_hangup' })
      const unbridged = w.types().filter((type) => type === 'unbridged').length
      expect(unbridged).toBe(w.types().includes('bridged') ? 1 : 0)
      await w.clock.advance(5000)
      if (target.length > 0) expect(endedBy(target)).toBeDefined()
      await w.finish()
    }
  })

  it('takes no second transfer', async () => {
    const { w } = await connected({})
    bridge(w)
    await w.clock.advance(4000)
    w.node.post({ type: 'transfer', callId: 'call_1', to: TARGET })
    expect(last(w)).toMatchObject({ type: 'transferFailed' })
    bridge(w)
    expect(last(w)).toMatchObject({ type: 'transferFailed' })
    expect(told(w).filter((type) => type === 'transferFailed')).toHaveLength(2)
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })
})

describe('over a trunk', () => {
  const live = { environment: 'live' as const }

  async function over(more: Parameters<typeof trunk>[2], to: string) {
    const w = await world([trunk('a', CARRIER_A, more)])
    const asked: string[] = []
    const methods: string[] = []
    w.agent(CARRIER_A, (call) => {
      asked.push(call.requestUri)
      call.listen(({ type }) => methods.push(type))
      call.answer(answerTo(call, w.clock))
    })
    w.dial(live)
    await w.clock.advance(1000)
    w.node.post({ type: 'transfer', callId: 'call_1', to })
    await w.clock.advance(1000)
    expect(last(w)).toMatchObject({ type: 'bridgeWanted' })
    const about = { to, from: '+15555550001', callerIdName: null, ringTimeoutMs: 20_000 }
    w.node.post({ type: 'bridge', callId: 'call_1', ...about })
    await w.clock.advance(1000)
    expect(last(w)).toMatchObject({ type: 'bridged', dialog: { trunk: 'a' } })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
    return { asked, methods }
  }

  it('that takes no REFER none is sent', async () => {
    const { methods } = await over({ refer: false }, TARGET)
    expect(methods).not.toContain('referRequested')
  })

  it('a number that no prefix serves goes by the trunk of the call', async () => {
    const { asked, methods } = await over({ prefixes: ['+15555550123'] }, TARGET)
    expect(asked[1]).toBe(`sip:${TARGET}@127.0.0.1:7000`)
    expect(methods).toContain('referRequested')
  })

  it('an address that is no number goes by the trunk of the call', async () => {
    const { asked } = await over({}, 'sip:desk@example.com')
    expect(asked[1]).toBe('sip:desk@example.com')
  })
})

it('a far side that wants us to call somebody else is declined, bridged or not', async () => {
  const { w, calls, peer, target } = await connected({})
  calls[0]!.session!.refer('sip:+15555550177@127.0.0.1:6000')
  await w.clock.advance(1000)
  bridge(w)
  await w.clock.advance(4000)
  for (const call of calls) call.session!.refer('sip:+15555550177@127.0.0.1:6000')
  await w.clock.advance(1000)
  const declined = { type: 'referDone', outcome: { transferred: false, sipCode: 603 } }
  expect(peer.filter(({ type }) => type === 'referDone')).toMatchObject([declined, declined])
  expect(target.filter(({ type }) => type === 'referDone')).toMatchObject([declined])
  expect(calls).toHaveLength(2)
  w.node.post({ type: 'hangUp', callId: 'call_1' })
  await w.finish()
})

it('the table takes every report of a far side that was given up', () => {
  for (const [state, cells] of Object.entries(TRANSFER_TABLE)) {
    if (state === 'referring' || state === 'following') continue
    for (const late of ['taken', 'transferred', 'unable', 'lost'] as const) {
      expect([state, late, cells[late]]).toEqual([state, late, 'ignored'])
    }
  }
})

it('a hold of either side is followed while they are bridged', async () => {
  const { w, calls } = await connected({})
  bridge(w)
  await w.clock.advance(4000)
  const options = { address: '127.0.0.1', port: 20_000, codecs: ['PCMA'] as const }
  for (const call of calls) {
    const offer = new Negotiation({ ...options, random: seededRandom(5) }).offer('sendonly')
    call.session!.reinvite(offer)
    await w.clock.advance(100)
  }
  const held = w.media.commands.flatMap((command) =>
    command.type === 'connect' && command.agreement.direction === 'recvonly' ? [command.legId] : [],
  )
  expect(held).toEqual(['call_1', 'call_1.1'])
  w.node.post({ type: 'hangUp', callId: 'call_1' })
  await w.finish()
})
