// Loses the first message of one kind, deterministically: what `kindOf` calls it, in one direction.
import { cseqOf, parseMessage, topVia } from '../../packages/network/src/sip/message.ts'
import type { SipMessage } from '../../packages/network/src/sip/message.ts'
import { tagOf } from '../../packages/network/src/sip/header.ts'
import type { Transport } from '../../packages/network/src/sip/transport.ts'

/**
 * `INVITE`, `re-INVITE`, `BYE`…, or a response as `200 INVITE`, `487 INVITE`, `202 REFER`. `ACK` and `re-ACK` are those of
 * an answer, `refusal ACK` that of a refusal.
 */
export type Kind = string

/** Remembers which INVITEs were inside a dialog, so that their responses and ACKs are told apart. */
export class Kinds {
  readonly #inDialog = new Set<string>()
  /** Branches, which the ACK of a refusal shares. */
  readonly #invites = new Set<string>()

  of(message: SipMessage): Kind {
    const { number, method } = cseqOf(message)
    const call = `${message.headers.get('call-id')} ${fromTag(message)} ${number}`
    const within = message.kind === 'request' && tagOf(message.headers.get('to') ?? '') !== ''
    if (within && method === 'INVITE') this.#inDialog.add(call)
    const branch = topVia(message)
    if (message.kind === 'request' && method === 'INVITE') this.#invites.add(branch)
    if (method === 'ACK' && this.#invites.has(branch)) return 'refusal ACK'
    const re = this.#inDialog.has(call) && (method === 'INVITE' || method === 'ACK') ? 're-' : ''
    return message.kind === 'request' ? `${re}${method}` : `${message.status} ${re}${method}`
  }
}

function fromTag(message: SipMessage): string {
  return tagOf(message.headers.get('from') ?? '')
}

export class FirstLoss {
  readonly #kinds = new Kinds()
  readonly #kind: Kind
  readonly #way: 'out' | 'in'
  /** Resolves when another of its kind has come through. */
  readonly repeated: Promise<void>
  #onRepeated = (): void => {}
  #lost = 0
  #passed = 0

  /** `way` as seen from the transport that is wrapped. */
  constructor(kind: Kind, way: 'out' | 'in') {
    this.#kind = kind
    this.#way = way
    this.repeated = new Promise((resolve) => {
      this.#onRepeated = resolve
    })
  }

  /** Whether one was lost, and whether another of its kind came through after it. */
  get outcome(): { lost: boolean; repeated: boolean } {
    return { lost: this.#lost > 0, repeated: this.#passed > 0 }
  }

  drops(data: Buffer, way: 'out' | 'in'): boolean {
    const parsed = parseMessage(data)
    if (!parsed.ok) return false
    const kind = this.#kinds.of(parsed.value)
    if (way !== this.#way || kind !== this.#kind) return false
    if (this.#lost === 0) return ++this.#lost === 1
    this.#passed++
    this.#onRepeated()
    return false
  }

  /** The same transport, but for what it loses. */
  wrap(inner: Transport): Transport {
    return {
      local: inner.local,
      at: (protocol) => inner.at(protocol),
      holds: (hop) => inner.holds(hop),
      send: (data, to, failed) => {
        if (!this.drops(data, 'out')) inner.send(data, to, failed)
      },
      receive: (receiver) =>
        inner.receive((data, from) => {
          if (!this.drops(data, 'in')) receiver(data, from)
        }),
      close: () => inner.close(),
    }
  }
}
