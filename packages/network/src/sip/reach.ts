// Where the next request of a dialog goes: the hop of its first route or target, a name resolved, a connection kept.
import { isIP } from 'node:net'
import type { Dialog } from './dialog.ts'
import { DEFAULT_PORTS, isReliable, sameSocket } from './hop.ts'
import type { Hop, Protocol } from './hop.ts'
import type { Resolver, Target } from './resolver.ts'
import type { Transport } from './transport.ts'
import { bareHost, parseUri, uriParam } from './uri.ts'
import type { SipUri } from './uri.ts'

/** Requests of one dialog that wait for a name; beyond it the oldest is dropped, as if it were lost. */
const MAX_WAITING = 32

/** What is known of one dialog's next hop. */
interface Course {
  /** The URI that it was found for. */
  for: string
  hop: Hop | null
  waiting: ((hop: Hop) => void)[]
}

export class Reach {
  readonly #transport: Transport
  readonly #resolver: Resolver | null
  readonly #courses = new WeakMap<Dialog, Course>()
  #resolving = 0
  #closed = false

  /** Without a resolver, a name stands for where the peer was. */
  constructor(transport: Transport, resolver: Resolver | null) {
    this.#transport = transport
    this.#resolver = resolver
  }

  /** Names that are being resolved. */
  get resolving(): number {
    return this.#resolving
  }

  /** Nobody is led anywhere any more. */
  close(): void {
    this.#closed = true
  }

  /** Calls `use` with the hop of the dialog's next request, at once or when the name is resolved; in order. */
  to(dialog: Dialog, use: (hop: Hop) => void): void {
    const { nextUri: uri, remote } = dialog
    const hop = uri ? this.#direct(uri, remote) : remote
    if (hop) return use(this.#transport.at(hop.protocol) ? hop : remote)
    this.#follow(dialog, uri!, use)
  }

  /** The same for a URI that has no dialog yet, named by a peer at `from`. */
  toUri(text: string, from: Hop, use: (hop: Hop) => void): void {
    const uri = parseUri(text)
    const hop = uri ? this.#direct(uri, from) : from
    if (hop) return use(this.#transport.at(hop.protocol) ? hop : from)
    void this.#resolve(uri!, from).then((found) => {
      if (!this.#closed) use(found)
    })
  }

  /** The hop, where nothing has to be resolved for it; else null. */
  #direct(uri: SipUri, remote: Hop): Hop | null {
    const named = protocolOf(uri)
    const kept = isReliable(remote) && this.#transport.holds(remote)
    // Many peers leave the transport out where they are on a connection; it is never left for something less safe.
    if (kept && named === null) return remote
    const address = bareHost(uri.host)
    if (isIP(address) === 0) return this.#resolver ? null : remote
    // A peer's own port is not where it listens, but its connection leads to it as long as it lives.
    if (kept && named === remote.protocol && address === remote.address) return remote
    const protocol = named ?? remote.protocol
    const port = uri.port ?? DEFAULT_PORTS[protocol]
    // Elsewhere a peer has to prove the name that it proved before.
    const serverName = protocol === 'TLS' ? remote.serverName : null
    const hop = { address, port, protocol, serverName }
    return sameSocket(hop, remote) ? remote : hop
  }

  #follow(dialog: Dialog, uri: SipUri, use: (hop: Hop) => void): void {
    const key = `${uri.scheme} ${uri.host} ${uri.port} ${uri.params}`
    const known = this.#courses.get(dialog)
    if (known?.for === key) {
      if (known.hop) return use(known.hop)
      known.waiting.push(use)
      if (known.waiting.length > MAX_WAITING) known.waiting.shift()
      return
    }
    // Whoever still waits for the old target goes on waiting for it.
    const course: Course = { for: key, hop: null, waiting: [use] }
    this.#courses.set(dialog, course)
    void this.#resolve(uri, dialog.remote).then((hop) => {
      course.hop = hop
      if (this.#closed) return
      for (const waiting of course.waiting.splice(0)) waiting(hop)
    })
  }

  /** Where the name leads; where the peer was, when it leads nowhere. */
  async #resolve(uri: SipUri, remote: Hop): Promise<Hop> {
    this.#resolving++
    const found = await this.#resolver!.resolve(targetOf(uri, remote))
    this.#resolving--
    const hops = found.ok ? found.value.filter(({ protocol }) => this.#transport.at(protocol)) : []
    const same = hops.find((hop) => this.#isAt(hop, remote))
    return same ? remote : (hops[0] ?? remote)
  }

  #isAt(hop: Hop, remote: Hop): boolean {
    if (sameSocket(hop, remote)) return true
    const alike = hop.protocol === remote.protocol && hop.address === remote.address
    return alike && isReliable(remote) && this.#transport.holds(remote)
  }
}

function targetOf(uri: SipUri, remote: Hop): Target {
  const protocol = protocolOf(uri) ?? (isReliable(remote) ? remote.protocol : null)
  const { host, port, scheme } = uri
  return { host, port, protocol, secure: scheme === 'sips', serverName: null }
}

/** The protocol that a URI asks for; null when it leaves the choice. */
export function protocolOf(uri: SipUri): Protocol | null {
  if (uri.scheme === 'sips') return 'TLS'
  const named = uriParam(uri, 'transport')?.toUpperCase()
  return named === 'UDP' || named === 'TCP' || named === 'TLS' ? named : null
}
