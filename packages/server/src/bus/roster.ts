// Who is there: every process says once a second that it lives, and what room it has for calls.
import type { Clock, Timer } from '@saperly/kernel'
import { z } from 'zod'
import type { Messenger, Topic } from './messenger.ts'

export const REPORT_INTERVAL_MS = 1_000
/** A process that has not been heard for this long gets nothing asked. */
export const SILENCE_MS = 3_000
/** Processes that are remembered; beyond it newcomers are passed over. */
const MAX_PEERS = 1_000
const EVERYBODY = 'all'

const report = z.object({
  processId: z.string().min(1).max(100),
  role: z.enum(['all', 'api', 'network']),
  /** What it holds its calls under in the database; another one after it was taken for dead. */
  leaseId: z.string().min(1).max(100),
  /** The sender's monotonic clock. */
  monotonicMs: z.number(),
  /** It takes no new calls. */
  closed: z.boolean(),
  /** It is about to end: whoever hears this needs not wait for its silence. */
  leaving: z.boolean(),
  liveCalls: z.int().min(0),
  /** How many media workers share its calls. */
  workers: z.int().min(0),
})
export type Report = z.output<typeof report>

const reports: Topic<Report> = { name: 'report', schema: report }

/** What a process says of itself; the rest of the report is the roster's. */
export type Standing = Omit<Report, 'processId' | 'monotonicMs' | 'leaving'>

interface Peer {
  report: Report
  heardMs: number
  /** Calls that were given to it and are not answered: a report may have been sent before they were taken up. */
  underway: number
  /** Those that were answered since the report. */
  answered: number
}

export class Roster {
  readonly #messenger: Messenger
  readonly #clock: Clock
  readonly #standing: () => Standing
  readonly #peers = new Map<string, Peer>()
  readonly #stops: (() => void)[]
  #timer: Timer | null = null

  constructor(deps: { messenger: Messenger; clock: Clock; standing: () => Standing }) {
    this.#messenger = deps.messenger
    this.#clock = deps.clock
    this.#standing = deps.standing
    this.#stops = [
      this.#messenger.hear(reports, EVERYBODY, (heard) => this.#hear(heard)),
      this.#messenger.bus.watch((up) => up && this.#tell(false)),
    ]
    this.#beat()
  }

  /** The process that holds calls under this lease, if it can be asked something. */
  holderOf(leaseId: string | null): string | null {
    if (leaseId === null) return null
    if (this.#standing().leaseId === leaseId) return this.#messenger.processId
    for (const [processId, peer] of this.#peers) {
      if (peer.report.leaseId === leaseId && this.isThere(processId)) return processId
    }
    return null
  }

  /** Milliseconds since the process was heard; Infinity for one that is unknown or has left. */
  silenceOf(processId: string): number {
    const peer = this.#peers.get(processId)
    return peer ? this.#clock.monotonicMs() - peer.heardMs : Infinity
  }

  /** Whether it can be asked something. */
  isThere(processId: string): boolean {
    return this.#messenger.bus.up && this.silenceOf(processId) <= SILENCE_MS
  }

  /** Processes that can be asked something, this one included. */
  get present(): number {
    return [...this.#peers.keys()].filter((processId) => this.isThere(processId)).length + 1
  }

  /**
   * The latest instant `withinMs` from now, in the monotonic clock of that process. The time that its report took to
   * come makes it earlier, never later.
   */
  startBy(processId: string, withinMs: number): number {
    const peer = this.#peers.get(processId)
    if (!peer) return -Infinity
    return peer.report.monotonicMs + (this.#clock.monotonicMs() - peer.heardMs) + withinMs
  }

  /** Processes that carry calls and have room, this one included: most room for each media worker first. */
  withRoom(): string[] {
    const own = { ...this.#standing(), processId: this.#messenger.processId, given: 0 }
    const others = [...this.#peers.values()]
      .filter(({ report: { processId } }) => this.isThere(processId))
      .map(({ report: heard, underway, answered }) => ({ ...heard, given: underway + answered }))
    return [own, ...others]
      .filter(({ role, closed, workers }) => role !== 'api' && !closed && workers > 0)
      .map(({ processId, liveCalls, given, workers }) => ({
        processId,
        fullness: (liveCalls + given) / workers,
      }))
      .toSorted((a, b) => a.fullness - b.fullness)
      .map(({ processId }) => processId)
  }

  /**
   * A call goes there: it counts until a report that was heard after its answer, which the caller tells once. What one
   * process sends comes in order, so that such a report has counted the call.
   */
  give(processId: string): { answered: () => void } {
    const peer = this.#peers.get(processId)
    if (peer) peer.underway++
    return {
      answered: () => {
        if (!peer) return
        peer.underway--
        peer.answered++
      },
    }
  }

  /** Says goodbye, and says nothing more. */
  close(): void {
    this.#timer?.cancel()
    for (const stop of this.#stops) stop()
    this.#tell(true)
  }

  #beat(): void {
    this.#tell(false)
    this.#timer = this.#clock.schedule(REPORT_INTERVAL_MS, () => this.#beat())
  }

  #tell(leaving: boolean): void {
    const { processId } = this.#messenger
    const monotonicMs = this.#clock.monotonicMs()
    this.#messenger.tell(reports, EVERYBODY, {
      ...this.#standing(),
      processId,
      monotonicMs,
      leaving,
    })
  }

  #hear(heard: Report): void {
    const { processId } = heard
    if (processId === this.#messenger.processId) return
    if (heard.leaving) return void this.#peers.delete(processId)
    const heardMs = this.#clock.monotonicMs()
    const peer = this.#peers.get(processId)
    if (peer) return void Object.assign(peer, { report: heard, heardMs, answered: 0 })
    if (this.#peers.size >= MAX_PEERS) this.#forget()
    if (this.#peers.size >= MAX_PEERS) return
    this.#peers.set(processId, { report: heard, heardMs, underway: 0, answered: 0 })
    // A newcomer knows nobody: it needs not wait for everybody's next beat.
    this.#tell(false)
  }

  /** Those who ended without a word. */
  #forget(): void {
    for (const [processId, { heardMs }] of this.#peers) {
      if (this.#clock.monotonicMs() - heardMs > 60 * REPORT_INTERVAL_MS) {
        this.#peers.delete(processId)
      }
    }
  }
}
