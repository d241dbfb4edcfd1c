// Random statements and transactions over a small world, for comparing one store with another.
import type { Random } from '@saperly/kernel'
import type { Tables } from '../../../packages/server/src/store/port.ts'
import {
  callRow,
  consentRow,
  NOW,
  STRANGERS,
  TENANT,
  webhookRow,
} from '../../../packages/server/src/store/testing-rows.ts'

type Run = (tables: Tables) => Promise<unknown>

export type Step =
  | { kind: 'single'; what: string; run: Run }
  | { kind: 'committed' | 'rolledBack'; what: string; runs: Run[] }

const PEERS = ['+15555550123', '+15555550124']
const PAGE = { limit: 5, cursor: null }
const STATES = ['queued', 'dialing', 'ringing', 'connected', 'ending', 'ended'] as const
const KEYS = ['a', 'b', 'c']
const PROCESSES = ['proc_a', 'proc_a', 'proc_b', 'proc_c']
/** A lease that nobody sees the end of, and one that ran out before it began. */
const LEASES_MS = [1e9, -1e9]

class Steps {
  readonly #random: Random
  #made = 0
  #at = NOW

  constructor(random: Random) {
    this.#random = random
  }

  next(): Step {
    this.#at += this.#random.int(0, 20_000)
    const roll = this.#random.float()
    if (roll < 0.6) {
      const [what, run] = this.#statement()
      return { kind: 'single', what, run }
    }
    const parts = Array.from({ length: this.#random.int(1, 5) }, () => this.#statement())
    const what = parts.map(([name]) => name).join(', ')
    return {
      kind: roll < 0.85 ? 'committed' : 'rolledBack',
      what,
      runs: parts.map(([, run]) => run),
    }
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.int(0, from.length - 1)]!
  }

  #id(prefix: string): string {
    return `${prefix}_${String(++this.#made).padStart(6, '0')}`
  }

  #call(): string {
    return `call_${this.#random.int(0, 6)}`
  }

  #statement(): [string, Run] {
    return this.#pick([
      () => this.#ofCalls(),
      () => this.#ofCalls(),
      () => this.#ofMoney(),
      () => this.#ofMoney(),
      () => this.#ofConsent(),
      () => this.#ofMail(),
      () => this.#ofKeys(),
      () => this.#ofProcesses(),
    ])()
  }

  #ofCalls(): [string, Run] {
    const at = this.#at
    const id = this.#call()
    const state = this.#pick(STATES)
    const processId = this.#pick(PROCESSES)
    const asker = this.#pick([TENANT, ...STRANGERS])
    const from = this.#pick([STATES, STATES.slice(0, 5), [this.#pick(STATES)]])
    const final = { status: 'completed' as const, endedAt: at, costCents: 5, durationSec: 3 }
    // Now and then the same one once more, as after a lost answer.
    const eventId = this.#random.float() < 0.2 ? `evt_again_${id}` : this.#id('evt')
    const event = { id: eventId, callId: id, type: 'turn', at, data: { text: 'hi', at } }
    const position = this.#random.float() < 0.2 ? 0 : this.#made
    const turn = { role: 'agent' as const, text: 'hi', heardText: 'h', interrupted: false }
    return this.#pick<[string, Run]>([
      ['calls.insert', (t) => t.calls.insert(callRow({ id, createdAt: at, heartbeatAt: at }))],
      [
        `calls.change to ${state}`,
        (t) =>
          t.calls.change(
            { id, processId },
            from,
            state === 'ended' ? { state, ...final } : { state, dialog: { at } },
          ),
      ],
      ['calls.get', (t) => t.calls.get(asker, id)],
      ['calls.unfinished', (t) => t.calls.unfinished(processId, [id])],
      ['calls.usage', (t) => t.calls.usage(TENANT, at - 60_000)],
      [
        'events.append',
        async (t) => (await t.calls.get(TENANT, id)) && (await t.events.append(event)),
      ],
      ['events.append, run by', (t) => t.events.append(event, processId)],
      [
        'transcripts.append, run by',
        (t) =>
          t.transcripts.append(
            { ...turn, callId: id, position, startedAt: at, endedAt: at },
            processId,
          ),
      ],
      ['events.list', (t) => t.events.list(id, null)],
      [
        'transcripts.append',
        async (t) =>
          (await t.calls.get(TENANT, id)) &&
          (await t.transcripts.append({
            ...turn,
            callId: id,
            position,
            startedAt: at,
            endedAt: at,
          })),
      ],
    ])
  }

  #ofProcesses(): [string, Run] {
    const at = this.#at
    const id = this.#pick(PROCESSES)
    const leaseMs = this.#pick(LEASES_MS)
    const limit = this.#pick([1, 3, 50])
    return this.#pick<[string, Run]>([
      ['processes.join', (t) => t.processes.join({ id, role: 'all', at }, leaseMs)],
      ['processes.beat', (t) => t.processes.beat(id, at, leaseMs)],
      ['processes.leave', (t) => t.processes.leave(id)],
      ['processes.declareLost', (t) => t.processes.declareLost(id, 'lapsed')],
      ['processes.declareLost, all', (t) => t.processes.declareLost(id, 'all')],
      ['processes.forget', (t) => t.processes.forget()],
      [
        'calls.takeOver',
        async (t) => (await t.calls.takeOver(id, limit)).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      ],
      [
        'processes.list',
        // When a lease ends and a process is lost is for the database's clock to say, and it has one of its own.
        async (t) =>
          (await t.processes.list()).map(({ id: member, role, startedAt, beatAt, lostAt }) => ({
            member,
            role,
            startedAt,
            beatAt,
            lost: lostAt !== null,
          })),
      ],
    ])
  }

  #ofMoney(): [string, Run] {
    const at = this.#at
    const callId = this.#call()
    const hold = this.#pick([0, 0, 0, 1])
    const keyId = this.#pick([null, 'key_a'])
    const amountCents = this.#random.int(1, 200)
    // One name is often used again: then nothing may grow.
    const txnId = this.#pick([undefined, `txn_grow_${callId}_${hold}`])
    const held = { tenant: TENANT, callId, hold, keyId, amountCents, at }
    const charge = { tenant: TENANT, messageId: null, keyId, amountCents, note: 'n', at }
    // Growing a hold that is not open is a bug of whoever asks, and ends the transaction in both.
    const grow: Run = async (t) =>
      (await t.ledger.held(callId, hold)) === null
        ? 'none'
        : t.ledger.extend(callId, amountCents, at, hold, txnId)
    return this.#pick<[string, Run]>([
      ['ledger.reserve', (t) => t.ledger.reserve(held)],
      ['ledger.reserve', (t) => t.ledger.reserve(held)],
      ['ledger.extend', grow],
      ['ledger.settle', (t) => t.ledger.settle(callId, amountCents, at, hold)],
      ['ledger.release', (t) => t.ledger.release(callId, at, hold)],
      ['ledger.held', (t) => t.ledger.held(callId, hold)],
      ['ledger.charge', (t) => t.ledger.charge(charge)],
      ['ledger.topUp', (t) => t.ledger.topUp(TENANT, amountCents, 'n', at)],
      ['ledger.balance', (t) => t.ledger.balance(TENANT)],
      ['ledger.list', (t) => t.ledger.list(TENANT, PAGE)],
    ])
  }

  #ofConsent(): [string, Run] {
    const at = this.#at
    const peerNumber = this.#pick(PEERS)
    const expiresAt = this.#pick([null, at + 60_000])
    const consentType = expiresAt === null ? 'explicit_outbound' : 'implied_inbound'
    const granted = {
      id: this.#id('con'),
      peerNumber,
      grantedAt: at,
      expiresAt,
      consentType,
    } as const
    return this.#pick<[string, Run]>([
      ['consent.grant', (t) => t.consent.grant(consentRow(granted))],
      ['consent.revoke', (t) => t.consent.revoke(TENANT, 'num_a', peerNumber, at)],
      ['consent.active', (t) => t.consent.active(TENANT, 'num_a', peerNumber, at)],
      ['consent.standing', (t) => t.consent.standing(TENANT, 'num_a', peerNumber, at)],
      ['consent.optOut', (t) => t.consent.optOut(TENANT, peerNumber, 'digit', at)],
      ['consent.liftOptOut', (t) => t.consent.liftOptOut(TENANT, peerNumber, 'api', at)],
      ['consent.isOptedOut', (t) => t.consent.isOptedOut(TENANT, peerNumber)],
    ])
  }

  #ofMail(): [string, Run] {
    const at = this.#at
    const key = this.#pick(KEYS)
    const hash = this.#pick(['1', '2'])
    const claim = { tenant: TENANT, keyId: 'key_a', key, requestHash: hash, at }
    const event = { tenant: TENANT, eventType: 'call.completed', payload: { at }, at }
    const audited = {
      id: this.#id('aud'),
      ...TENANT,
      eventType: 'call.ended',
      targetType: 'call',
      targetId: 'x',
      actor: 'platform',
      data: { at },
      createdAt: at,
    }
    const deliveryId = this.#id('dlv')
    const callId = this.#call()
    const settled = this.#pick([
      { status: 'delivered' as const, responseStatus: 200, at, nextAttemptAt: null },
      { status: 'failed' as const, responseStatus: 500, at, nextAttemptAt: at + 5_000 },
    ])
    const claimed: Run = async (t) => {
      const taken = await t.outbox.claim(1, at, 45_000)
      for (const { id } of taken) await t.outbox.settle(id, settled)
      return taken
    }
    return this.#pick<[string, Run]>([
      ['webhooks.insert', (t) => t.webhooks.insert(webhookRow())],
      ['outbox.emit', (t) => t.outbox.emit({ ...event, nextId: () => deliveryId })],
      ['outbox.claim', claimed],
      ['outbox.nextDueAt', (t) => t.outbox.nextDueAt()],
      ['idempotency.begin', (t) => t.idempotency.begin(claim)],
      ['idempotency.nameCall', (t) => t.idempotency.nameCall('key_a', key, callId)],
      [
        'idempotency.complete',
        (t) => t.idempotency.complete('key_a', key, { status: 201, body: 'b', at }),
      ],
      ['idempotency.free', (t) => t.idempotency.free('key_a', key)],
      ['audit.append', (t) => t.audit.append(audited)],
    ])
  }

  #ofKeys(): [string, Run] {
    const at = this.#at
    return this.#pick<[string, Run]>([
      ['keys.get', (t) => t.keys.get(TENANT, 'key_a', at)],
      ['keys.touch', (t) => t.keys.touch('key_a', at)],
      ['numbers.findActive', (t) => t.numbers.findActive('test', '+15555550199')],
      ['numbers.update', (t) => t.numbers.update(TENANT, 'num_a', { callerIdName: `n ${at}` })],
    ])
  }
}

/** As many as asked for, the same for the same randomness; they may be played on several stores in turn. */
export function* randomSteps(random: Random, count: number): Iterable<Step> {
  const steps = new Steps(random)
  for (let made = 0; made < count; made++) yield steps.next()
}
