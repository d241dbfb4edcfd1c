// What a customer can ask of the platform, and what it may rely on once it was answered.
import { isDeepStrictEqual } from 'node:util'
import type { Answer } from '../world.ts'
import {
  type Environment,
  type Fact,
  type Platform,
  reads,
  refuses,
  type Witness,
} from './witness.ts'

/** A number of the customer's, with its connection. */
export interface Line {
  environment: Environment
  numberId: string
  connectionId: string
}

export interface Order {
  line: Line
  to: string
  /** Names the order in the call's metadata. */
  name: string
  idempotencyKey: string | null
  /** Null while the customer does not know. */
  callId: string | null
}

/** Refusals of a wish that came at a bad moment. */
const EXCUSED: ReadonlySet<string> = new Set([
  'Unavailable',
  'RateLimited',
  'ConcurrencyLimited',
  'IdempotencyConflict',
  'CallStartFailed',
  'CallNotActive',
  'TransferFailed',
])

export class Customers {
  readonly #witness: Witness
  /** Orders with an idempotency key, since the last death. */
  #orders: Order[] = []
  /** The database dies too: then nobody knows whether what was being committed is. */
  databaseDies = false
  /** What the last wish that came at a bad moment was told, or why no answer came. */
  refused = ''
  /** Calls that were answered with 201. */
  placed = 0
  #names = 0
  readonly #prefix: string

  /** `prefix`: of every name, so that two customers have none in common. */
  constructor(witness: Witness, prefix: string) {
    this.#witness = witness
    this.#prefix = prefix
  }

  name(what: string): string {
    return `${this.#prefix}-${what}-${this.count()}`
  }

  /** A number that was not given out before. */
  count(): number {
    return ++this.#names
  }

  // --- calls --------------------------------------------------------------------------------------------------------

  /** Places a call; its id, or null when the customer does not know of one. */
  async place(
    platform: Platform,
    line: Line,
    to: string,
    withKey: boolean,
  ): Promise<string | null> {
    const name = this.name('order')
    const idempotencyKey = withKey ? `key of ${name}` : null
    const order: Order = { line, to, name, idempotencyKey, callId: null }
    if (withKey) this.#orders.push(order)
    const answer = await this.#order(platform, order)
    if (answer?.status !== 201) return null
    this.#onPlaced(order, answer.body.id)
    return order.callId
  }

  /** After a death: whoever has an idempotency key asks again, and is told of the same call, or makes the first. */
  async askAgain(platform: Platform): Promise<void> {
    for (const order of this.#orders.splice(0)) {
      const answer = await this.#order(platform, order)
      if (answer?.status !== 201) {
        if (order.callId !== null && answer?.body._tag !== 'CallStartFailed') {
          const what = JSON.stringify(answer?.body ?? null)
          this.#witness.surprised(`${order.name} was placed as ${order.callId}; again: ${what}`)
        }
        continue
      }
      const { id } = answer.body
      if (order.callId === null) this.#onPlaced(order, id)
      else if (order.callId !== id) {
        this.#witness.surprised(`${order.name} made ${order.callId}, and again ${id}`)
      }
    }
  }

  #order(platform: Platform, order: Order): Promise<Answer | null> {
    const { line, to, name, idempotencyKey } = order
    const headers: Record<string, string> =
      idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }
    const body = { fromNumberId: line.numberId, to, metadata: { order: name } }
    return this.#ask(platform, line.environment, 'POST', '/calls', body, headers)
  }

  #onPlaced(order: Order, callId: string): void {
    order.callId = callId
    this.placed++
    const { to, line } = order
    this.#witness.note(
      `${order.name} was placed as ${callId}`,
      reads(line.environment, `/calls/${callId}`, (call) => call.id === callId && call.to === to),
    )
  }

  /** Ends it; what is answered is final. */
  async end(platform: Platform, { environment }: Line, callId: string): Promise<void> {
    const answer = await this.#ask(platform, environment, 'POST', `/calls/${callId}/end`)
    if (answer?.status === 200) this.#isFinal(environment, answer.body)
  }

  /** Reads it; an end that was seen once stays as it was seen. */
  async look(platform: Platform, { environment }: Line, callId: string): Promise<string | null> {
    const answer = await this.#ask(platform, environment, 'GET', `/calls/${callId}`)
    if (answer?.status !== 200) return null
    if (answer.body.phase === 'ended') this.#isFinal(environment, answer.body)
    return answer.body.phase
  }

  #isFinal(environment: Environment, seen: Answer['body']): void {
    if (seen.phase !== 'ended') {
      return this.#witness.surprised(`${seen.id} was answered as ended in phase ${seen.phase}`)
    }
    const path = `/calls/${seen.id}`
    const same = (call: Answer['body']): boolean => isDeepStrictEqual(call, seen)
    this.#witness.note(
      `${seen.id} was seen as ${JSON.stringify(seen)}`,
      reads(environment, path, same),
    )
  }

  async speak(platform: Platform, { environment }: Line, callId: string): Promise<void> {
    const body = { text: 'Are you there?', interrupt: false }
    await this.#ask(platform, environment, 'POST', `/calls/${callId}/speak`, body)
  }

  async press(platform: Platform, { environment }: Line, callId: string): Promise<void> {
    await this.#ask(platform, environment, 'POST', `/calls/${callId}/dtmf`, { digits: '1' })
  }

  async transfer(
    platform: Platform,
    { environment }: Line,
    callId: string,
    to: string,
  ): Promise<void> {
    await this.#ask(platform, environment, 'POST', `/calls/${callId}/transfer`, { to })
  }

  /** A phone of the sandbox calls in; the call, or null. */
  async callIn(platform: Platform, line: Line, from: string): Promise<string | null> {
    const body = { from, toNumberId: line.numberId, script: 'mute' }
    const answer = await this.#ask(platform, 'test', 'POST', '/sandbox/calls', body)
    if (answer?.status !== 201) return null
    const { id } = answer.body
    this.placed++
    const here = (call: Answer['body']): boolean => call.id === id && call.from === from
    this.#witness.note(`${id} came in`, reads('test', `/calls/${id}`, here))
    return id
  }

  /** Ends what is live, so that there is an end to wait for. */
  async endAll(platform: Platform): Promise<void> {
    for (const environment of ['test', 'live'] as const) {
      const { body } = await platform[environment].get('/calls?limit=1000')
      const live = (body as { id: string; phase: string }[]).filter(
        ({ phase }) => phase !== 'ended',
      )
      const line = { environment, numberId: '', connectionId: '' }
      await Promise.all(live.map(({ id }) => this.end(platform, line, id)))
    }
  }

  /** A call that must not be placed, asked for with an idempotency key. */
  async isRefused(platform: Platform, { numberId }: Line, to: string): Promise<void> {
    const headers = { 'idempotency-key': this.name('refused') }
    const body = { fromNumberId: numberId, to }
    const answer = await platform.test.post('/calls', body, headers).catch(() => null)
    if (answer && answer.body._tag !== 'ConsentRequired') {
      this.#witness.surprised(`a call to a stranger was answered ${JSON.stringify(answer.body)}`)
    }
  }

  // --- consent ------------------------------------------------------------------------------------------------------

  async consent(platform: Platform, line: Line, peerNumber: string): Promise<Fact | null> {
    const { numberId, environment } = line
    const body = { numberId, peerNumber, consentType: 'explicit_outbound', source: 'a form' }
    const answer = await this.#ask(platform, environment, 'POST', '/consent', body)
    if (answer?.status !== 201) return null
    return this.#witness.note(`${peerNumber} consented`, consents(line, peerNumber, true))
  }

  async revoke(platform: Platform, line: Line, peerNumber: string, given: Fact): Promise<void> {
    this.#witness.retract(given)
    const body = { numberId: line.numberId, peerNumber }
    const answer = await this.#ask(platform, line.environment, 'POST', '/consent/revoke', body)
    if (answer?.status === 200) {
      this.#witness.note(`${peerNumber} took it back`, consents(line, peerNumber, false))
    }
  }

  async optOut(
    platform: Platform,
    { environment }: Line,
    peerNumber: string,
  ): Promise<Fact | null> {
    const answer = await this.#ask(platform, environment, 'POST', '/opt-outs', { peerNumber })
    if (answer?.status !== 200) return null
    const path = `/opt-outs?peerNumber=${encodeURIComponent(peerNumber)}`
    return this.#witness.note(
      `${peerNumber} opted out`,
      reads(environment, path, (rows) => rows.length === 1 && rows[0].peerNumber === peerNumber),
    )
  }

  /** Whoever opted out, as this fact has it, agrees again. */
  async returns(
    platform: Platform,
    line: Line,
    peerNumber: string,
    optedOut: Fact | null,
  ): Promise<void> {
    if (optedOut) this.#witness.retract(optedOut)
    const { numberId, environment } = line
    const body = {
      numberId,
      peerNumber,
      consentType: 'explicit_outbound',
      source: 'a call',
      afterOptOut: true,
    }
    const answer = await this.#ask(platform, environment, 'POST', '/consent', body)
    if (answer?.status === 201 && optedOut) {
      this.#witness.note(`${peerNumber} agreed again`, consents(line, peerNumber, true))
    }
  }

  // --- what is set up -------------------------------------------------------------------------------------------------

  /** Mints a key, and revokes it again when told to. */
  async key(platform: Platform, revoke: boolean): Promise<void> {
    const name = this.name('key')
    const minted = await this.#ask(platform, 'test', 'POST', '/api-tokens', {
      name,
      scopes: ['read'],
    })
    if (minted?.status !== 201) return
    const { id, token } = minted.body
    const works = this.#witness.note(`${name} was minted`, (there) =>
      tokenAnswers(there, token, 200),
    )
    await tokenAnswers(platform, token, 200).catch(() => null)
    if (!revoke) return
    this.#witness.retract(works)
    const revoked = await this.#ask(platform, 'test', 'POST', `/api-tokens/${id}/revoke`)
    if (revoked?.status !== 200) return
    this.#witness.note(`${name} was revoked`, (there) => tokenAnswers(there, token, 401))
  }

  /** A connection and a number come, are joined, changed, and go again. */
  async line(platform: Platform): Promise<void> {
    const name = this.name('line')
    const settings = { name, mode: 'manual' }
    const made = await this.#ask(platform, 'test', 'POST', '/connections', settings)
    if (made?.status !== 201) return
    const connection = `/connections/${made.body.id}`
    const named = this.#witness.note(`${name} was made`, hasName(connection, name))
    const number = await this.#ask(platform, 'test', 'POST', '/numbers', {})
    if (number?.status !== 201) return
    const { id } = number.body
    const got = this.#witness.note(
      `number ${id} was got`,
      reads('test', `/numbers/${id}`, (body) => body.id === id),
    )
    await this.#ask(platform, 'test', 'POST', `/numbers/${id}/connection`, {
      connectionId: made.body.id,
    })
    this.#witness.retract(named)
    const renamed = await this.#ask(platform, 'test', 'PATCH', connection, { name: `${name}!` })
    if (renamed?.status !== 200) return
    const last = this.#witness.note(`${name} was renamed`, hasName(connection, `${name}!`))
    await this.#ask(platform, 'test', 'POST', `${connection}/rotate-secret`)
    this.#witness.retract(got)
    const released = await this.#ask(platform, 'test', 'POST', `/numbers/${id}/release`)
    if (released?.status === 200) {
      const gone = (body: Answer['body']): boolean => body.releasedAt !== null
      this.#witness.note(`number ${id} was given back`, reads('test', `/numbers/${id}`, gone))
    }
    this.#witness.retract(last)
    const gone = await this.#ask(platform, 'test', 'DELETE', connection)
    if (gone?.status === 204) {
      this.#witness.note(`${name} was deleted`, refuses('test', connection, 404))
    }
  }

  /** An endpoint comes, is tried, and goes again. */
  async hook(platform: Platform, url: string): Promise<void> {
    const body = { url, events: ['balance.low'], description: this.name('hook') }
    const made = await this.#ask(platform, 'test', 'POST', '/webhooks', body)
    if (made?.status !== 201) return
    const { id } = made.body
    const listed = (is: boolean) =>
      reads('test', '/webhooks?limit=1000', (rows: { id: string }[]) => {
        return rows.some((row) => row.id === id) === is
      })
    const there = this.#witness.note(`endpoint ${id} was made`, listed(true))
    await this.#ask(platform, 'test', 'POST', `/webhooks/${id}/rotate-secret`)
    const tried = await this.#ask(platform, 'test', 'POST', `/webhooks/${id}/test`)
    if (tried?.status === 200 || tried?.status === 201 || tried?.status === 202) {
      await this.#ask(platform, 'test', 'POST', `/deliveries/${tried.body.id}/replay`)
    }
    const range = { since: new Date(0).toISOString() }
    await this.#ask(platform, 'test', 'POST', `/webhooks/${id}/replay`, range)
    this.#witness.retract(there)
    const gone = await this.#ask(platform, 'test', 'DELETE', `/webhooks/${id}`)
    if (gone?.status === 204) this.#witness.note(`endpoint ${id} was deleted`, listed(false))
  }

  /** Reads the feed from `after` on; what was read is read again. */
  async feed(platform: Platform, after: number): Promise<number> {
    const path = `/events?after=${after}&limit=20`
    const answer = await this.#ask(platform, 'test', 'GET', path)
    if (answer?.status !== 200 || answer.body.length === 0) return after
    const seen = answer.body
    const same = (rows: unknown[]): boolean => isDeepStrictEqual(rows.slice(0, seen.length), seen)
    this.#witness.note(`the feed was read from ${after}`, reads('test', path, same))
    return seen.at(-1).position
  }

  /** The answer, or null when none came. */
  async #ask(
    platform: Platform,
    environment: Environment,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer | null> {
    const answer = await platform[environment]
      .send(method, path, body, headers)
      .catch((error: unknown) => this.#unanswered(error))
    if (!answer || answer.status < 400) return answer
    const what = JSON.stringify(answer.body)
    this.refused = what
    if (EXCUSED.has(answer.body._tag)) return answer
    if (this.databaseDies && answer.body._tag === 'InternalError') return answer
    this.#witness.surprised(`${method} ${path} answered ${answer.status} ${what}`)
    return answer
  }

  #unanswered(error: unknown): null {
    this.refused = `no answer: ${String(error)}`
    return null
  }
}

function consents({ environment, numberId }: Line, peerNumber: string, is: boolean) {
  const query = `numberId=${numberId}&peerNumber=${encodeURIComponent(peerNumber)}`
  return reads(environment, `/consent/check?${query}`, (body) => body.hasConsent === is)
}

function hasName(path: string, name: string) {
  return reads('test', path, (body) => body.name === name)
}

async function tokenAnswers({ test }: Platform, token: string, status: number) {
  const answer = await fetch(`${test.url}/usage`, { headers: { authorization: `Bearer ${token}` } })
  await answer.arrayBuffer()
  return answer.status === status ? null : `its token is answered with ${answer.status}`
}
