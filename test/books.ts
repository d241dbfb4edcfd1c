// The books of a world: proves of each call that it ended once, was billed once, and told its owner once.
// oxlint-disable vitest/no-standalone-expect -- checks that many tests share
import { expect } from 'vitest'
import {
  type DeliveredEventType,
  type FeedEvent,
  type Receipt,
  webhookEnvelopes,
} from '@saperly/contract'
import type { NetworkNode } from '@saperly/network'
import { verify } from '../packages/server/src/webhook/sign.ts'
import { type ApiClient, Receiver, until, type World } from './world.ts'

const TERMINAL = ['call.completed', 'call.failed']
/** SIP transactions outlive their call by 64 T1, which is 32 s by default. */
const QUIET_LIMIT_MS = 45_000

/** A call as the API answers it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type CallBody = any

export interface Posting {
  type: string
  amountCents: number
  callId: string | null
}

export class Books {
  readonly receiver: Receiver
  readonly #world: World
  readonly #secret: string
  readonly #closed = new Set<string>()

  private constructor(world: World, receiver: Receiver, secret: string) {
    this.#world = world
    this.receiver = receiver
    this.#secret = secret
  }

  /** Subscribes to everything that calls tell. */
  static async open(world: World): Promise<Books> {
    const receiver = new Receiver()
    const endpoint = await world.api.post('/webhooks', {
      url: await receiver.listen(),
      events: [
        'call.received',
        'call.answered',
        'call.recording.saved',
        'call.transcript.ready',
        ...TERMINAL,
      ],
    })
    expect(endpoint.status).toBe(201)
    return new Books(world, receiver, endpoint.body.signingSecret)
  }

  get #api(): ApiClient {
    return this.#world.api
  }

  /** What the owner was told about the end of a call. */
  terminal(callId: string): CallBody[] {
    return this.receiver.received
      .map(({ body }) => body)
      .filter(({ eventType, payload }) => TERMINAL.includes(eventType) && payload.callId === callId)
  }

  /** Waits for the end of the call and proves its bill, its timeline and its webhook. */
  async closed(callId: string): Promise<CallBody> {
    const call = await this.#api.final(callId)
    await until(`the webhook of ${callId}`, async () => this.terminal(callId).length > 0)
    this.#checkWebhook(call)
    const { body: events } = await this.#api.get(`/calls/${callId}/events`)
    expect(events.filter(({ type }: { type: string }) => type === 'ended')).toHaveLength(1)
    expect(events.at(-1).type).toBe('ended')
    await this.#checkMoney(call)
    this.#closed.add(callId)
    return call
  }

  /** Proves that a call which was refused for lack of funds held and cost nothing, and that its owner was told once. */
  async refused(callId: string): Promise<void> {
    const call = await this.#api.final(callId)
    await until(`the webhook of ${callId}`, async () => this.terminal(callId).length > 0)
    this.#checkWebhook(call)
    const { body: all } = await this.#api.get('/transactions?limit=1000')
    expect(all.filter((posting: Posting) => posting.callId === callId)).toEqual([])
    this.#closed.add(callId)
  }

  /** Proves that nothing is open any more, anywhere, and closes the receiver. */
  async settle(): Promise<void> {
    const network = this.#world.server.network as NetworkNode
    const deadline = Date.now() + QUIET_LIMIT_MS
    const quiet = { legs: 0, transactions: 0, dialogs: 0 }
    while (JSON.stringify(network.counts) !== JSON.stringify(quiet) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(network.counts).toEqual(quiet)
    expect(this.#world.server.calls.live).toBe(0)

    const { tables } = this.#world.server.store
    const calls: CallBody[] = (await this.#api.get('/calls?limit=1000')).body
    expect(calls.filter(({ phase }) => phase !== 'ended')).toEqual([])
    expect(calls.filter(({ id }) => !this.#closed.has(id)).map(({ id }) => id)).toEqual([])
    for (const { id } of calls) expect([id, this.terminal(id).length]).toEqual([id, 1])
    expect(await tables.ledger.verify()).toEqual([])
    await until('the audit chain', async () => (await tables.audit.chain()) === 0)
    expect(await tables.audit.verify()).toEqual([])
    // Everything that was told is what the contract says of it.
    const told = this.receiver.received.map(({ body }) => body)
    for (const body of told) {
      const read = webhookEnvelopes[body.eventType as DeliveredEventType].safeParse(body)
      expect([body, read.error]).toEqual([body, undefined])
    }
    const feed = (await this.#api.get('/events?limit=1000')).body as FeedEvent[]
    for (const { id } of calls.filter(({ id }) => this.#closed.has(id))) {
      const own = (events: readonly { eventType: string; payload: unknown }[]): string[] =>
        events
          .filter(({ payload }) => (payload as { callId: string }).callId === id)
          .map(({ eventType, payload }) => JSON.stringify([eventType, payload]))
      // Each attempt is told apart from the event: one that had to be sent twice happened once.
      expect(new Set(own(told)).size).toBeGreaterThan(0)
      expect(own(feed).map((text) => JSON.parse(text))).toEqual(
        expect.arrayContaining([...new Set(own(told))].map((text) => JSON.parse(text))),
      )
    }
    await this.receiver.close()
  }

  #checkWebhook(call: CallBody): void {
    const told = this.terminal(call.id)
    expect(told).toHaveLength(1)
    const { id: callId, status, durationSec, costCents, from, to, hangupCause } = call
    expect(told[0].eventType).toBe(status === 'completed' ? 'call.completed' : 'call.failed')
    const payload = { callId, status, durationSec, costCents, from, to, hangupCause }
    expect(told[0].payload).toEqual(payload)
    const { headers, raw } = this.receiver.received.find(({ body }) => body === told[0])!
    const request = { headers: headers as Record<string, string>, body: raw }
    const verdict = verify(request, [this.#secret], Date.now())
    expect(verdict).toEqual({ ok: true, value: { deliveryId: told[0].deliveryId } })
  }

  async #checkMoney({ id, status, costCents, durationSec, ...call }: CallBody): Promise<void> {
    const all: Posting[] = (await this.#api.get('/transactions?limit=1000')).body
    const own = all.filter(({ callId }) => callId === id)
    const kinds = own.map(({ type }) => type).filter((type) => type !== 'extend')
    expect(kinds).toEqual([costCents > 0 ? 'settle' : 'release', 'reserve'])
    expect(own.reduce((sum, { amountCents }) => sum + amountCents, 0)).toBe(0 - costCents)
    expect(costCents).toBe(Math.ceil((durationSec * call.rateCentsPerMin) / 60))
    if (status !== 'completed') expect([costCents, durationSec]).toEqual([0, 0])
    await this.#checkReceipt({ id, costCents, durationSec }, own)
  }

  /** The receipt has each posting of the call once, and its sums are those of the postings. */
  async #checkReceipt(call: CallBody, postings: readonly Posting[]): Promise<void> {
    const { body } = await this.#api.get(`/calls/${call.id}/receipt`)
    checkReceipt(body as Receipt, postings)
    expect(body).toMatchObject({ final: true, takenCents: call.costCents })
    expect(body.items[0]).toMatchObject({ leg: 'call', billedSec: call.durationSec })
  }
}

/** A final receipt against the postings of its call, newest first. */
export function checkReceipt(receipt: Receipt, postings: readonly Posting[]): void {
  const entries = receipt.items.flatMap((item) => item.entries)
  const amounts = (all: readonly { type: string; amountCents: number }[]): string[] =>
    all.map(({ type, amountCents }) => `${type} ${amountCents}`).toSorted()
  expect(amounts(entries)).toEqual(amounts(postings))
  const total = (all: readonly { amountCents: number }[]): number =>
    all.reduce((sum, { amountCents }) => sum + amountCents, 0)
  expect(0 - receipt.takenCents).toBe(0 + total(postings))
  for (const item of receipt.items) {
    const held = item.entries.filter(({ type }) => type === 'reserve' || type === 'extend')
    expect(item.heldCents).toBe(0 - total(held))
    expect(item.takenCents).toBe(0 - total(item.entries))
    if (item.priceCents !== null)
      expect(item.takenCents).toBe(item.priceCents - item.shortfallCents)
  }
}
