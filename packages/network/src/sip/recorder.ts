// Keeps the signalling of calls for those who have to explain one: each message as it crossed the transport, bounded.
import type { Clock } from '@saperly/kernel'
import type { TracedMessage } from '../port.ts'
import { formatEndpoint } from './hop.ts'
import { withoutSecrets } from './secrets.ts'
import type { Hop, Protocol, Transport } from './transport.ts'

/** Of one dialog; what comes after is not kept. */
export const MAX_MESSAGES = 200
export const MAX_DIALOG_BYTES = 128 * 1024
/** Of all dialogs together; the oldest dialog is forgotten. */
const MAX_BYTES = 64 * 1024 * 1024
const MAX_DIALOGS = 20_000
/** Calls whose dialogs are known; the oldest is forgotten. */
const MAX_CALLS = 10_000
/** Ended calls that are still known: whoever keeps a call's signalling for good asks for it right after the end. */
export const MAX_ENDED = 500
/** Dialogs of one call: its trunks one after the other, a transfer's target. */
const MAX_CALL_DIALOGS = 16

const CALL_ID = /^(?:call-id|i)[ \t]*:[ \t]*(\S{1,256})/im

interface Kept {
  at: number
  direction: 'sent' | 'received'
  protocol: Protocol
  ours: string
  theirs: string
  data: Buffer
}

interface Dialog {
  messages: Kept[]
  bytes: number
}

export class SignallingRecorder {
  readonly #clock: Clock
  /** By SIP Call-ID, oldest first. Strangers' are among them until they are forgotten. */
  readonly #dialogs = new Map<string, Dialog>()
  readonly #calls = new Map<string, Set<string>>()
  /** Oldest first. */
  readonly #ended = new Set<string>()
  #bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The transport, with everything that crosses it kept. */
  over(transport: Transport): Transport {
    const ours = (hop: Hop): string => formatEndpoint(transport.at(hop.protocol) ?? transport.local)
    return {
      local: transport.local,
      at: (protocol) => transport.at(protocol),
      holds: (hop) => transport.holds(hop),
      send: (data, to, failed) => {
        this.#keep('sent', data, to, ours(to))
        transport.send(data, to, failed)
      },
      receive: (receiver) =>
        transport.receive((data, from) => {
          this.#keep('received', data, from, ours(from))
          receiver(data, from)
        }),
      close: () => transport.close(),
    }
  }

  /** The dialog with that Call-ID belongs to the call. */
  follow(callId: string, sipCallId: string): void {
    const dialogs = this.#calls.get(callId) ?? new Set()
    if (dialogs.size < MAX_CALL_DIALOGS) dialogs.add(sipCallId)
    this.#calls.set(callId, dialogs)
    if (this.#calls.size > MAX_CALLS) forgetOldest(this.#calls)
  }

  /** The call is over; it is forgotten when {@link MAX_ENDED} others have ended after it. */
  ended(callId: string): void {
    this.#ended.add(callId)
    if (this.#ended.size <= MAX_ENDED) return
    const [oldest] = this.#ended
    this.#ended.delete(oldest!)
    this.#forget(oldest!)
  }

  /** What crossed the wire for a call, in order, with its secrets masked; empty when nothing is known of it. */
  trace(callId: string): readonly TracedMessage[] {
    const dialogs = [...(this.#calls.get(callId) ?? [])]
    return dialogs
      .flatMap((sipCallId) => this.#dialogs.get(sipCallId)?.messages ?? [])
      .toSorted((a, b) => a.at - b.at)
      .map(({ data, ...about }) => ({ ...about, text: withoutSecrets(data.toString('latin1')) }))
  }

  #forget(callId: string): void {
    for (const sipCallId of this.#calls.get(callId) ?? []) {
      this.#bytes -= this.#dialogs.get(sipCallId)?.bytes ?? 0
      this.#dialogs.delete(sipCallId)
    }
    this.#calls.delete(callId)
  }

  #keep(direction: Kept['direction'], data: Buffer, hop: Hop, ours: string): void {
    const sipCallId = CALL_ID.exec(data.toString('latin1'))?.[1]
    if (sipCallId === undefined) return
    const dialog = this.#dialogs.get(sipCallId) ?? { messages: [], bytes: 0 }
    this.#dialogs.set(sipCallId, dialog)
    const fits = dialog.bytes + data.length <= MAX_DIALOG_BYTES
    if (!fits || dialog.messages.length >= MAX_MESSAGES) return
    const theirs = formatEndpoint(hop)
    const { protocol } = hop
    // A copy: what was read from a connection is a part of something larger.
    const own = Buffer.from(data)
    dialog.messages.push({ at: this.#clock.now(), direction, protocol, ours, theirs, data: own })
    dialog.bytes += data.length
    this.#bytes += data.length
    while (this.#bytes > MAX_BYTES || this.#dialogs.size > MAX_DIALOGS) {
      this.#bytes -= forgetOldest(this.#dialogs)?.bytes ?? 0
    }
  }
}

function forgetOldest<V>(map: Map<string, V>): V | undefined {
  for (const [key, value] of map) {
    map.delete(key)
    return value
  }
  return undefined
}
