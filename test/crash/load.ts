// The load under which a server dies: customers who do at random what customers do, from a seed.
import type { Random } from '@saperly/kernel'
import type { Customers, Line } from './customers.ts'
import { type Installation, LIVE_PHONES, SANDBOX, WORKSPACE } from './installation.ts'
import type { Fact, Platform, Witness } from './witness.ts'

/** Customers at once. */
const CROWD = 10
/** Longest that a customer lets a call go on before the next wish, milliseconds. */
const PATIENCE_MS = 400

/** The others want no more calls after the first. */
const CALLED = Object.values(SANDBOX).filter((phone) => phone !== SANDBOX.optsOut)

type Wish = (platform: Platform) => Promise<unknown>

export class Load {
  readonly #installation: Installation
  readonly #customers: Customers
  readonly #witness: Witness
  readonly #random: Random
  readonly #wishes: readonly (readonly [weight: number, wish: Wish])[]
  readonly #consents: { peer: string; fact: Fact }[] = []
  #position = 0
  #over = true
  #crowd: Promise<unknown> = Promise.resolve()

  constructor(installation: Installation, customers: Customers, witness: Witness, random: Random) {
    this.#installation = installation
    this.#customers = customers
    this.#witness = witness
    this.#random = random
    const test = (): Line => installation.line('test')
    this.#wishes = [
      [8, (to) => this.#call(to, test(), this.#one(CALLED))],
      [4, (to) => this.#call(to, installation.line('live'), this.#one(LIVE_PHONES))],
      [2, (to) => this.#callIn(to)],
      [2, (to) => this.#transfer(to)],
      [3, (to) => this.#consent(to)],
      [2, (to) => this.#revoke(to)],
      [1, (to) => customers.optOut(to, test(), this.#peer())],
      [2, () => this.#topUp()],
      [1, (to) => customers.key(to, this.#chance(50))],
      [1, (to) => customers.line(to)],
      [1, (to) => customers.hook(to, installation.receiver.hookUrl)],
      [1, async (to) => (this.#position = await customers.feed(to, this.#position))],
    ]
  }

  /** Begins, against the life that the installation has now. */
  begin(): void {
    this.#over = false
    const { platform, life } = this.#installation
    const customer = async (): Promise<void> => {
      while (!this.#over && !life.over) await this.#wish()(platform)
    }
    this.#crowd = Promise.all(Array.from({ length: CROWD }, customer))
  }

  /** Resolves when the last customer has gone: right after a death, or at the end of what they are at. */
  async end(): Promise<void> {
    this.#over = true
    await this.#crowd
  }

  #wish(): Wish {
    const sum = this.#wishes.reduce((before, [weight]) => before + weight, 0)
    let left = this.#random.int(1, sum)
    return this.#wishes.find(([weight]) => (left -= weight) <= 0)![1]
  }

  #one<T>(among: readonly T[]): T {
    return among[this.#random.int(0, among.length - 1)]!
  }

  #chance(percent: number): boolean {
    return this.#random.int(0, 99) < percent
  }

  /** A number that nobody had before. */
  #peer(): string {
    return `+1555${String(6_000_000 + this.#customers.count())}`
  }

  #while(): Promise<void> {
    const ms = this.#random.int(0, PATIENCE_MS)
    return new Promise((resolve) => setTimeout(resolve, ms))
  }

  async #call(platform: Platform, line: Line, to: string): Promise<void> {
    const customers = this.#customers
    const callId = await customers.place(platform, line, to, this.#chance(50))
    if (callId === null) return
    await this.#while()
    if (this.#chance(30)) await customers.speak(platform, line, callId)
    if (this.#chance(20)) await customers.press(platform, line, callId)
    if (this.#chance(70)) await customers.end(platform, line, callId)
    else await customers.look(platform, line, callId)
  }

  async #callIn(platform: Platform): Promise<void> {
    const line = this.#installation.line('test')
    const callId = await this.#customers.callIn(platform, line, this.#peer())
    await this.#while()
    if (callId !== null && this.#chance(60)) await this.#customers.end(platform, line, callId)
  }

  async #transfer(platform: Platform): Promise<void> {
    const customers = this.#customers
    const line = this.#installation.line('test')
    const callId = await customers.place(platform, line, SANDBOX.noTransfer, this.#chance(50))
    if (callId === null) return
    await this.#while()
    await customers.transfer(platform, line, callId, this.#one([SANDBOX.mute, SANDBOX.declines]))
    await this.#while()
    if (this.#chance(70)) await customers.end(platform, line, callId)
  }

  async #consent(platform: Platform): Promise<void> {
    const peer = this.#peer()
    const line = this.#installation.line('test')
    const fact = await this.#customers.consent(platform, line, peer)
    if (fact) this.#consents.push({ peer, fact })
  }

  async #revoke(platform: Platform): Promise<void> {
    const given = this.#consents.pop()
    if (!given) return this.#consent(platform)
    const line = this.#installation.line('test')
    await this.#customers.revoke(platform, line, given.peer, given.fact)
  }

  /** By the operator, who works on the same database. */
  async #topUp(): Promise<void> {
    const note = this.#customers.name('top-up')
    const amountCents = this.#random.int(1, 500)
    const tenant = { workspaceId: WORKSPACE, environment: 'test' as const }
    const topUp = async (): Promise<unknown> => {
      const { tables } = await this.#installation.office()
      return tables.ledger.topUp(tenant, amountCents, note, Date.now())
    }
    // Without an answer the operator knows nothing, like every customer.
    if (!(await topUp().catch(() => null))) return
    this.#witness.note(`${note} of ${amountCents}`, async () => {
      const rows = await this.#installation.database.rows<{ cents: number }>(
        `select posted_cents as cents from transfer where kind = 'topup' and note = $1`,
        [note],
      )
      return rows.length === 1 && rows[0]!.cents === amountCents ? null : JSON.stringify(rows)
    })
  }
}
