// All trunks of a node: ways out, who may come in, their figures, opened and closed together.
import { deferred } from '@saperly/kernel'
import type { Clock } from '@saperly/kernel'
import type { TrunkState } from '../port.ts'
import { DigestServer } from '../sip/digest-server.ts'
import type { Hop } from '../sip/hop.ts'
import type { SipRequest } from '../sip/message.ts'
import { parseUri } from '../sip/uri.ts'
import type { Refusal } from '../sip/user-agent.ts'
import { Trunk } from './trunk.ts'
import type { TrunkDeps } from './trunk.ts'
import type { TrunkSettings } from './settings.ts'
import { TrunkWays, trunksFor } from './ways.ts'
import type { CallParties } from './ways.ts'

/** What callers over a trunk are asked for credentials of. */
export const REALM = 'saperly'
/** How long closing waits for registrars to answer, milliseconds. */
export const TAKE_BACK_LIMIT_MS = 2_000

export class Trunks {
  readonly #clock: Clock
  readonly #trunks: readonly Trunk[]
  readonly #digest: DigestServer
  readonly #log: TrunkDeps['log']

  constructor(settings: readonly TrunkSettings[], deps: TrunkDeps) {
    this.#clock = deps.clock
    this.#log = deps.log
    this.#digest = new DigestServer(REALM, deps.clock, deps.random)
    this.#trunks = settings.map((one) => new Trunk(one, deps))
  }

  open(): void {
    for (const trunk of this.#trunks) trunk.open()
  }

  get states(): TrunkState[] {
    return this.#trunks.map(({ state }) => state)
  }

  named(name: string | null): Trunk | undefined {
    return this.#trunks.find((trunk) => trunk.name === name)
  }

  waysTo(call: CallParties): TrunkWays {
    return new TrunkWays(trunksFor(this.#trunks, call.to), call)
  }

  /** As {@link waysTo}; where nobody serves the target, or it is no number, by the trunk `own` of the transferred call. */
  waysToTarget(call: CallParties, own: string | null): TrunkWays {
    const serving = parseUri(call.to) ? [] : trunksFor(this.#trunks, call.to)
    const trunk = this.named(own)
    return new TrunkWays(serving.length > 0 || !trunk ? serving : [trunk], call)
  }

  /** False for strangers, who are not even told no. */
  admits(source: Hop): boolean {
    return this.#trunks.some((trunk) => trunk.admits(source))
  }

  /** Whether a connection from that address is taken. */
  accepts(address: string): boolean {
    return this.#trunks.some((trunk) => trunk.accepts(address))
  }

  /**
   * Whose an INVITE is: the trunk that it comes from by address, before those that only allow the address. Several
   * that share one are told apart by the user that the caller claims to be, which {@link guard} has proved by then.
   */
  originOf(request: SipRequest, source: Hop): Trunk | undefined {
    const admitting = this.#trunks.filter((trunk) => trunk.admits(source))
    const user = this.#digest.userOf(request)
    return (
      admitting.find(({ callers }) => callers !== null && callers.username === user) ??
      admitting.find((trunk) => trunk.callers === null && trunk.owns(source)) ??
      admitting.find(({ callers }) => callers === null) ??
      admitting[0]
    )
  }

  /** A challenge, a refusal, or null for a caller who has proved enough. */
  guard(request: SipRequest, source: Hop): Refusal | null {
    const trunk = this.originOf(request, source)
    if (!trunk?.callers) return null
    const { algorithms } = trunk.callers
    const verdict = this.#digest.check(request, source.address, trunk.callers, algorithms)
    if (verdict === 'right') return null
    if (verdict === 'wrong') {
      this.#log.warn('trunk.caller_refused', { trunk: trunk.name, source: source.address })
      return { status: 403, fields: [] }
    }
    const stale = verdict === 'stale'
    const fields = this.#digest.challenge(request, source.address, stale, algorithms)
    return { status: 401, fields }
  }

  /** Takes every registration back, waiting a moment for the answers, and stops watching. */
  async close(): Promise<void> {
    const limit = deferred<void>()
    const timer = this.#clock.schedule(TAKE_BACK_LIMIT_MS, () => limit.resolve())
    const closed = this.#trunks.map((trunk) => new Promise<void>((resolve) => trunk.close(resolve)))
    await Promise.race([Promise.all(closed), limit.promise])
    timer.cancel()
    for (const trunk of this.#trunks) trunk.drop()
  }
}
