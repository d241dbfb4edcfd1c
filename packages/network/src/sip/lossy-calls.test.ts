// 300 calls of every kind on a line that loses a tenth of all messages each way: every one reaches the end it should.
import { seededRandom } from '@saperly/kernel'
import { expect, it } from 'vitest'
import type { CallEvent } from './call-event.ts'
import type { IncomingCall } from './incoming-call.ts'
import { ALICE, BOB, SipWorld, only, sdp } from './testing.ts'
import type { Dialled } from './testing.ts'

const CALLS = 300
const LOSS = 0.1

interface Kind {
  name: string
  insists?: true
  /** What bob does with the call. */
  bob: (call: IncomingCall, later: (delayMs: number, act: () => void) => void) => void
  /** What alice does once she is answered. */
  alice?: (dialled: Dialled, later: (delayMs: number, act: () => void) => void) => void
  right: (heard: readonly CallEvent[], bobHeard: readonly CallEvent[]) => boolean
}

const last = (events: readonly CallEvent[]): CallEvent => events.at(-1)!
const ended =
  (by: 'local' | 'remote') =>
  (heard: readonly CallEvent[]): boolean => {
    const end = last(heard)
    return end.type === 'ended' && end.by === by
  }

const KINDS: readonly Kind[] = [
  {
    name: 'busy',
    bob: (call) => call.reject(486, 17),
    right: (heard) => {
      const end = last(heard)
      return end.type === 'failed' && end.sipCode === 486 && end.reason.q850 === 17
    },
  },
  {
    name: 'rings until it is cancelled',
    bob: (call) => call.ring(),
    right: (heard, bobHeard) => {
      const end = last(heard)
      return (
        end.type === 'failed' && end.cause === 'cancelled' && last(bobHeard).type === 'cancelled'
      )
    },
  },
  {
    name: 'answered, ended by the caller',
    bob: (call, later) => {
      call.ring()
      later(2000, () => call.answer(sdp('answer')))
    },
    right: (heard, bobHeard) => ended('local')(heard) && ended('remote')(bobHeard),
  },
  {
    name: 'answered, ended by the callee',
    bob: (call, later) => {
      call.answer(sdp('answer'))
      later(5000, () => call.hangUp())
    },
    right: (heard, bobHeard) => ended('remote')(heard) && ended('local')(bobHeard),
  },
  {
    name: 'early media for sure, then answered',
    insists: true,
    bob: (call) => {
      call.ring(183, sdp('early'))
      call.ring()
      call.answer(sdp('early'))
    },
    right: (heard) =>
      ended('local')(heard) &&
      only(heard, 'answered')[0]!.sdp === sdp('early') &&
      only(heard, 'progress')
        .map(({ sipCode }) => sipCode)
        .join() === '183,180',
  },
  {
    name: 'held by re-INVITE, resumed by UPDATE',
    bob: (call) => call.answer(sdp('answer')),
    alice: ({ call }, later) => {
      later(500, () => call.session!.reinvite(sdp('hold')))
      later(40_000, () => call.session!.update(sdp('resume')))
    },
    right: (heard) =>
      ended('local')(heard) &&
      only(heard, 'reinvited').every((event) => event.sipCode === 200) &&
      only(heard, 'reinvited').length === 2,
  },
  {
    name: 'transferred',
    bob: (call) => call.answer(sdp('answer')),
    alice: ({ call }, later) => later(500, () => call.session!.refer('sip:carol@10.0.0.3')),
    right: (heard) =>
      ended('local')(heard) && only(heard, 'referDone')[0]?.outcome.transferred === true,
  },
]

it('300 of 300', async () => {
  const dice = seededRandom(2026)
  const w = new SipWorld(() => dice.float() < LOSS)
  const later = (delayMs: number, act: () => void): void => void w.clock.schedule(delayMs, act)
  const terms = { sessionTimer: { expiresSec: 90, minSec: 90 } }
  const bobHeard = new Map<string, CallEvent[]>()
  const kinds = new Map<string, Kind>()
  const alice = w.agent(ALICE, undefined, terms)
  w.agent(
    BOB,
    (call) => {
      const heard: CallEvent[] = []
      bobHeard.set(call.callId, heard)
      call.listen((event) => {
        heard.push(event)
        if (event.type === 'reoffer') event.answer(sdp('answer'))
        if (event.type !== 'referRequested') return
        const report = event.accept()
        report(180)
        report(200)
      })
      kinds.get(call.callId)!.bob(call, later)
    },
    terms,
  )
  const calls: (Dialled & { kind: Kind })[] = []
  for (let i = 0; i < CALLS; i++) {
    const kind = KINDS[i % KINDS.length]!
    const dialled: Dialled = w.dial(
      alice,
      { fields: kind.insists ? [['require', '100rel']] : [] },
      (event) => {
        if (event.type === 'answered') kind.alice?.(dialled, later)
      },
    )
    kinds.set(dialled.call.callId, kind)
    calls.push({ ...dialled, kind })
    // Long enough for session timers to be refreshed on the way.
    later(kind.alice ? 120_000 : 30_000, () => dialled.call.hangUp())
    await w.clock.advance(20)
  }
  await w.clock.advance(250_000)
  const wrong = calls.filter(
    ({ kind, heard, call }) => !kind.right(heard, bobHeard.get(call.callId) ?? []),
  )
  expect(wrong.map(({ kind, heard }) => `${kind.name}: ${JSON.stringify(last(heard))}`)).toEqual([])
  await w.settle()
}, 120_000)
