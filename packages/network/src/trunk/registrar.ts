// Keeps one trunk registered: sends its REGISTERs to the registrar's hosts, and reads what they answer (RFC 3261 section 10).
import { randomHex } from '@saperly/kernel'
import type { Clock, Log, Random } from '@saperly/kernel'
import { DigestClient } from '../sip/digest.ts'
import type { Credentials } from '../sip/digest.ts'
import { parseNameAddr } from '../sip/header.ts'
import type { Hop } from '../sip/hop.ts'
import type { SipResponse } from '../sip/message.ts'
import { parseUri, sipUri } from '../sip/uri.ts'
import type { UserAgent } from '../sip/user-agent.ts'
import type { TrunkHosts } from './hosts.ts'
import { Registration } from './registration.ts'
import type { RegisterAnswer } from './registration.ts'

export interface RegistrarOptions {
  trunk: string
  ua: UserAgent
  clock: Clock
  random: Random
  log: Log
  /** Of the registrar. */
  hosts: TrunkHosts
  credentials: Credentials | null
  /** User part of our Contact, and the address of record. */
  registered: { user: string; uri: string }
  expiresSec: number
}

export class Registrar {
  readonly #options: RegistrarOptions
  readonly #registration: Registration
  readonly #auth: DigestClient | null
  readonly #callId: string
  #cseq = 0

  constructor(options: RegistrarOptions) {
    const { clock, random, credentials, expiresSec, trunk, log } = options
    this.#options = options
    this.#auth = credentials && new DigestClient(credentials, random)
    this.#callId = randomHex(random, 16)
    this.#registration = new Registration({
      clock,
      random,
      expiresSec,
      ask: (askedSec, onAnswer) => this.#ask(askedSec, onAnswer),
      onChange: (registered, sipCode) => {
        if (registered) log.info('trunk.registered', { trunk })
        else log.warn('trunk.unregistered', { trunk, sipCode })
      },
    })
  }

  get registered(): boolean {
    return this.#registration.registered
  }

  open(): void {
    this.#registration.open()
  }

  /** Takes the registration back; `onClosed` is called when that was answered. */
  close(onClosed: () => void): void {
    this.#registration.close(onClosed)
  }

  #ask(expiresSec: number, onAnswer: (answer: RegisterAnswer) => void): void {
    this.#options.hosts.find((hops) => this.#askHop([...hops], expiresSec, null, onAnswer))
  }

  /** One host after the other, until one says something else than that it can't (503). */
  #askHop(
    hops: Hop[],
    expiresSec: number,
    last: SipResponse | null,
    onAnswer: (answer: RegisterAnswer) => void,
  ): void {
    const { ua, registered, log, trunk } = this.#options
    const via = hops.shift()
    if (!via) {
      log.warn('trunk.register_failed', { trunk, sipCode: last?.status ?? null })
      return onAnswer(refusal(last))
    }
    const contact = ua.contactFor(via, registered.user)
    const domain = parseUri(registered.uri)?.host ?? ''
    const request = {
      method: 'REGISTER',
      uri: sipUri(null, domain, null),
      callId: this.#callId,
      from: registered.uri,
      to: registered.uri,
      contact,
      via,
      auth: this.#auth,
      nextCSeq: () => ++this.#cseq,
      fields: [['expires', String(expiresSec)]] as const,
    }
    ua.ask(request, (response) => {
      if (response === null || response.status === 503) {
        return this.#askHop(hops, expiresSec, response ?? last, onAnswer)
      }
      const answer = readAnswer(response, contact, expiresSec)
      if (answer.kind === 'refused') {
        log.warn('trunk.register_failed', { trunk, sipCode: answer.sipCode })
      }
      onAnswer(answer)
    })
  }
}

/** What a final response grants to `contact`, for which `askedSec` were asked. */
export function readAnswer(
  response: SipResponse,
  contact: string,
  askedSec: number,
): RegisterAnswer {
  const { status, headers } = response
  if (status === 423) {
    const minExpiresSec = seconds(headers.get('min-expires'))
    if (minExpiresSec !== null) return { kind: 'tooBrief', minExpiresSec }
  }
  if (status < 200 || status >= 300) return refusal(response)
  if (askedSec === 0) return { kind: 'granted', expiresSec: 0 }
  const expiresSec =
    grantedIn(headers.list('contact'), contact) ?? seconds(headers.get('expires')) ?? askedSec
  return expiresSec > 0 ? { kind: 'granted', expiresSec } : refusal(response)
}

/**
 * The `expires` of our binding. Others of the same account may be listed beside it; one that stands alone is ours even
 * where a registrar has rewritten its address (NAT).
 */
function grantedIn(contacts: readonly string[], ours: string): number | null {
  const bindings = contacts.flatMap((value) => parseNameAddr(value) ?? [])
  const own =
    bindings.find(({ uri }) => sameBinding(uri, ours)) ??
    (bindings.length === 1 ? bindings[0] : undefined)
  return seconds(own?.params.get('expires') ?? null)
}

function sameBinding(a: string, b: string): boolean {
  const [one, other] = [parseUri(a), parseUri(b)]
  if (!one || !other) return false
  return (
    one.user === other.user &&
    one.host.toLowerCase() === other.host.toLowerCase() &&
    one.port === other.port
  )
}

function refusal(response: SipResponse | null): RegisterAnswer {
  const retryAfterSec = seconds(response?.headers.get('retry-after') ?? null)
  return { kind: 'refused', sipCode: response?.status ?? null, retryAfterSec }
}

/** Delta-seconds; a comment or parameters may follow (Retry-After). */
function seconds(value: string | null): number | null {
  const found = /^\s*(\d{1,10})(?:\s*[;(].*)?\s*$/s.exec(value ?? '')
  return found ? Number(found[1]) : null
}
