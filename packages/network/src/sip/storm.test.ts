// Calls in which everything happens at random moments, on a line that loses what it likes: each ends once, nothing stays.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CallEvent } from './call-event.ts'
import type { IncomingCall } from './incoming-call.ts'
import { INVITE_CLIENT, PLAIN_CLIENT } from './client-transaction.ts'
import { OFFER_TABLE } from './offer-table.ts'
import { REFER_TABLE } from './refer.ts'
import { RELIABLE_TABLE } from './reliable-responses.ts'
import { INVITE_SERVER, PLAIN_SERVER } from './server-transaction.ts'
import { SESSION_TABLE } from './session-table.ts'
import { SESSION_TIMER_TABLE } from './session-timer.ts'
import { ALICE, BOB, SipWorld, only, sdp } from './testing.ts'

type Side = 'alice' | 'bob'
interface Deed {
  atMs: number
  side: Side
  what:
    | 'reinvite'
    | 'update'
    | 'info'
    | 'refer'
    | 'hangUp'
    | 'ring'
    | 'early'
    | 'answer'
    | 'reject'
    | 'wait'
}

const deeds = fc.array(
  fc.record<Deed>({
    atMs: fc.integer({ min: 0, max: 60_000 }),
    side: fc.constantFrom('alice', 'bob'),
    what: fc.constantFrom(
      'reinvite',
      'update',
      'info',
      'refer',
      'hangUp',
      'ring',
      'early',
      'answer',
      'answer',
      'reject',
      'wait',
    ),
  }),
  { maxLength: 30 },
)

interface Storm {
  deeds: Deed[]
  loss: number
  seed: number
  insists: boolean
  offers: boolean
}

/** Answers what comes, in one of several ways, now or later. */
function reply(event: CallEvent, w: SipWorld, dice: () => number): void {
  if (event.type === 'reoffer') {
    const answer = (): void => (dice() < 0.2 ? event.refuse(488) : event.answer(sdp('answer')))
    if (dice() < 0.5) answer()
    else w.clock.schedule(dice() * 3000, answer)
  } else if (event.type === 'referRequested' && dice() < 0.7) {
    const report = event.accept()
    w.clock.schedule(dice() * 3000, () => report(180))
    w.clock.schedule(dice() * 9000, () => report(dice() < 0.5 ? 200 : 486))
  } else if (event.type === 'answered' || event.type === 'progress') event.answer?.(sdp('late'))
}

async function weather({ deeds: script, loss, seed, insists, offers }: Storm): Promise<void> {
  const random = seededRandom(seed)
  const dice = (): number => random.float()
  const w = new SipWorld(() => dice() < loss)
  const terms = { sessionTimer: { expiresSec: 90, minSec: 90 } }
  const bobHeard: CallEvent[] = []
  let incoming: IncomingCall | null = null
  const alice = w.agent(ALICE, undefined, terms)
  w.agent(
    BOB,
    (call) => {
      incoming = call
      call.listen((event) => {
        bobHeard.push(event)
        reply(event, w, dice)
      })
    },
    terms,
  )
  const { call, heard } = w.dial(
    alice,
    {
      fields: insists ? [['require', '100rel']] : [],
      sdp: offers ? sdp('offer') : null,
      limitMs: 50_000,
    },
    (event) => reply(event, w, dice),
  )
  for (const { atMs, side, what } of script) {
    w.clock.schedule(atMs, () => {
      if (what === 'ring') incoming?.ring()
      else if (what === 'early') incoming?.ring(183, sdp('early'))
      else if (what === 'answer') incoming?.answer(sdp('answer'))
      else if (what === 'reject') incoming?.reject(486)
      else if (what === 'hangUp') (side === 'alice' ? call : incoming)?.hangUp()
      const session = side === 'alice' ? call.session : incoming?.session
      if (what === 'reinvite') session?.reinvite(sdp('hold'))
      else if (what === 'update') session?.update(sdp('change'))
      else if (what === 'info') session?.info({ type: 'application/dtmf', text: '1' })
      else if (what === 'refer') session?.refer('sip:carol@10.0.0.3')
    })
  }
  await w.clock.advance(240_000)
  call.hangUp()
  incoming = incoming as IncomingCall | null
  incoming?.hangUp()
  await w.settle()
  const ends = [...only(heard, 'ended'), ...only(heard, 'failed')]
  expect(ends.length).toBe(1)
  if (bobHeard.length > 0) {
    const theirs = [...only(bobHeard, 'ended'), ...only(bobHeard, 'cancelled')]
    expect(theirs.length).toBeLessThanOrEqual(1)
    if (only(bobHeard, 'answered').length > 0) expect(theirs.length).toBe(1)
  }
  // After its last event a call says nothing more.
  expect(['ended', 'failed']).toContain(heard.at(-1)!.type)
}

describe('a storm of events', () => {
  it('leaves no timer, no transaction and no dialog behind', async () => {
    const storms = fc.record<Storm>({
      deeds,
      loss: fc.constantFrom(0, 0, 0.1, 0.3),
      seed: fc.integer(),
      insists: fc.boolean(),
      offers: fc.boolean(),
    })
    await fc.assert(fc.asyncProperty(storms, weather), { numRuns: 1000 })
  }, 120_000)
})

describe('every table', () => {
  const tables: [string, Record<string, Record<string, unknown>>, string][] = [
    ['a client INVITE', INVITE_CLIENT, 'calling'],
    ['a client request', PLAIN_CLIENT, 'trying'],
    ['a server INVITE', INVITE_SERVER, 'proceeding'],
    ['a server request', PLAIN_SERVER, 'trying'],
    ['a session', SESSION_TABLE, 'early'],
    ['the offers', OFFER_TABLE, 'idle'],
    ['a session timer', SESSION_TIMER_TABLE, 'asleep'],
    ['reliable responses', RELIABLE_TABLE, 'idle'],
    ['a transfer', REFER_TABLE, 'asked'],
  ]

  const nextOf = (cell: unknown): string[] => (Array.isArray(cell) ? [cell[0] as string] : [])

  it.each(tables)('of %s reaches each of its states, and its end from each', (_, table, first) => {
    const after = (state: string): string[] => Object.values(table[state]!).flatMap(nextOf)
    const reachable = (from: string): Set<string> => {
      const found = new Set([from])
      for (const state of found) for (const next of after(state)) found.add(next)
      return found
    }
    const states = Object.keys(table)
    expect([...reachable(first)].toSorted()).toEqual(states.toSorted())
    const end = states.at(-1)!
    for (const state of states) expect(reachable(state)).toContain(end)
  })
})
