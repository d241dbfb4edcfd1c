// One call of a sandbox phone: SIP through the sandbox's user agent, media through the plane, a script that speaks.
import { Cancelled, cancelledBy } from '@saperly/kernel'
import type { Clock, Log, Random } from '@saperly/kernel'
import { LegMedia } from '../leg/media.ts'
import type { OpenedMedia } from '../leg/media.ts'
import type { MediaPlane } from '../media/port.ts'
import type { CallEvent } from '../sip/call-event.ts'
import type { IncomingCall } from '../sip/incoming-call.ts'
import { Negotiation } from '../sip/negotiation.ts'
import type { CallOptions } from '../sip/outgoing-call.ts'
import type { Session } from '../sip/session.ts'
import type { UserAgent } from '../sip/user-agent.ts'
import type { TalkEvent, TalkOptions } from '../talk/port.ts'
import type { HeardTurn, Line } from './line.ts'
import { callerSteps, runScript } from './runner.ts'
import type { Script, Step } from './script.ts'

/** No call of a phone lasts longer, milliseconds. */
const MAX_CALL_MS = 30 * 60_000
/** The voice that the embedded recogniser understands best. */
const PHONE_VOICE = 'kal16'
/** Turns that nobody has asked for yet; the oldest are forgotten. */
const MAX_TURNS = 50

/** What every phone of a sandbox shares. */
export interface PhoneParts {
  clock: Clock
  random: Random
  log: Log
  plane: MediaPlane
  ua: UserAgent
  /** Where media is bound. */
  address: string
  /** Places the call that a peer transfers this one to; what comes of it is reported by SIP code. */
  transfer: (target: string, report: (sipCode: number) => void) => void
}

/** How the phone comes by its call: somebody calls it, or it calls. */
export type PhoneCall =
  | { direction: 'in'; call: IncomingCall }
  | { direction: 'out'; options: Omit<CallOptions, 'sdp'>; report?: (sipCode: number) => void }

export class Phone implements Line {
  readonly #parts: PhoneParts
  readonly #script: Script
  readonly #media: LegMedia
  readonly #abort = new AbortController()
  readonly #turns: HeardTurn[] = []
  /** Utterances and digits under way, by what ends them. */
  readonly #pending = new Map<string, () => void>()
  #wake: (() => void) | null = null
  #negotiation: Negotiation | null = null
  #signalling: { hangUp(): void; readonly session: Session | null } | null = null
  #incoming: IncomingCall | null = null
  #utterances = 0

  constructor(parts: PhoneParts, id: string, script: Script) {
    this.#parts = parts
    this.#script = script
    this.#media = new LegMedia({ plane: parts.plane, clock: parts.clock, log: parts.log }, id, {
      onTalk: (event) => this.#onTalk(event),
      onLost: () => this.hangUp(),
    })
  }

  /** Lives one call; resolves when its signalling is over and its media closed. */
  async run(call: PhoneCall): Promise<void> {
    const { clock } = this.#parts
    const limit = clock.schedule(MAX_CALL_MS, () => this.hangUp())
    try {
      if (call.direction === 'in') {
        this.#incoming = call.call
        this.#signalling = call.call
        call.call.listen((event) => this.#onSip(event))
        await this.#follow(this.#script.steps)
      } else {
        await this.#dial(call)
        await this.#follow(callerSteps(this.#script))
      }
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error
    } finally {
      limit.cancel()
      this.hangUp()
      await new Promise<void>((resolve) => this.#media.close(() => resolve()))
    }
  }

  ring(): void {
    this.#incoming?.ring()
  }

  async answer(): Promise<void> {
    const call = this.#incoming
    if (!call) return
    const { port } = await this.#openMedia()
    const negotiation = this.#negotiate(port)
    const answered = call.sdp === null ? null : negotiation.answer(call.sdp)
    if (answered && !answered.ok) return this.refuse(488)
    call.answer(answered ? answered.value.sdp : negotiation.offer())
    if (answered) this.#media.connect(answered.value.agreement)
  }

  refuse(sipCode: number): void {
    this.#incoming?.reject(sipCode)
    this.#over('refused')
  }

  say(text: string, options: { over: boolean; voice: string | null }): Promise<void> {
    const utteranceId = `phone${++this.#utterances}`
    const said = this.#until(utteranceId)
    this.#media.talk({
      type: 'speak',
      utteranceId,
      text,
      more: false,
      interruptible: false,
      protected: options.over,
      voice: options.voice,
    })
    return said
  }

  press(digits: string): Promise<void> {
    const pressed = this.#until('digits')
    this.#media.talk({ type: 'sendDigits', digits })
    return pressed
  }

  async hear(timeoutMs: number): Promise<HeardTurn | null> {
    const { signal } = this.#abort
    if (signal.aborted) throw cancelledBy(signal)
    if (this.#turns.length === 0) await this.#nextTurn(timeoutMs)
    if (signal.aborted) throw cancelledBy(signal)
    const turns = this.#turns.splice(0)
    return turns.length === 0
      ? null
      : {
          text: turns
            .map(({ text }) => text)
            .join(' ')
            .trim(),
        }
  }

  forget(): void {
    this.#turns.splice(0)
  }

  hangUp(): void {
    this.#signalling?.hangUp()
    this.#over('hang-up')
  }

  async #follow(steps: readonly Step[]): Promise<void> {
    await runScript(steps, this, this.#parts.clock, this.#abort.signal)
  }

  async #dial(call: Extract<PhoneCall, { direction: 'out' }>): Promise<void> {
    const { port } = await this.#openMedia()
    const negotiation = this.#negotiate(port)
    const up = this.#until('answered')
    const { report } = call
    this.#signalling = this.#parts.ua.call(
      { ...call.options, sdp: negotiation.offer() },
      (event) => {
        if (event.type === 'progress') report?.(event.sipCode)
        if (event.type === 'answered') report?.(200)
        if (event.type === 'failed') report?.(event.sipCode ?? 503)
        this.#onSip(event)
      },
    )
    await up
  }

  /** Rejects with Cancelled when the call ends before. */
  #openMedia(): Promise<OpenedMedia> {
    const { signal } = this.#abort
    const talk: TalkOptions = {
      language: 'en-US',
      voice: this.#script.voice ?? PHONE_VOICE,
      phrases: this.#script.expects,
      endpointingMs: null,
      interruptible: false,
    }
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(cancelledBy(signal))
      const onAbort = (): void => reject(cancelledBy(signal))
      signal.addEventListener('abort', onAbort, { once: true })
      this.#media.open({ address: this.#parts.address, talk, recordTo: null }, (opened) => {
        signal.removeEventListener('abort', onAbort)
        if (opened) return resolve(opened)
        this.refuse(503)
        reject(new Cancelled('no media'))
      })
    })
  }

  #negotiate(port: number): Negotiation {
    const { address, random } = this.#parts
    this.#negotiation = new Negotiation({ address, port, codecs: ['PCMU', 'PCMA'], random })
    return this.#negotiation
  }

  /** Resolves when `key` is done; rejects with Cancelled when the call ends first. */
  #until(key: string): Promise<void> {
    const { signal } = this.#abort
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(cancelledBy(signal))
      const onAbort = (): void => reject(cancelledBy(signal))
      signal.addEventListener('abort', onAbort, { once: true })
      this.#pending.set(key, () => {
        signal.removeEventListener('abort', onAbort)
        this.#pending.delete(key)
        resolve()
      })
    })
  }

  /** Resolves with the next turn, at the end of the call, or after `timeoutMs`. */
  #nextTurn(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.schedule(timeoutMs, () => this.#wake?.())
      this.#wake = () => {
        timer.cancel()
        this.#wake = null
        resolve()
      }
    })
  }

  #onTalk(event: TalkEvent): void {
    switch (event.type) {
      case 'turn':
        this.#turns.push({ text: event.text })
        if (this.#turns.length > MAX_TURNS) this.#turns.shift()
        return this.#wake?.()
      case 'spoke':
        return this.#pending.get(event.utteranceId)?.()
      case 'digitsSent':
        return this.#pending.get('digits')?.()
      case 'speaking':
      case 'resumed':
      case 'digits':
      case 'silence':
      case 'machine':
      case 'speechSwitched':
        return
    }
  }

  #onSip(event: CallEvent): void {
    switch (event.type) {
      case 'answered':
        if (!this.#incoming && event.sdp !== null) this.#accept(event.sdp)
        return this.#pending.get('answered')?.()
      case 'confirmed':
        if (event.sdp !== null) this.#accept(event.sdp)
        return
      case 'reoffer':
        return this.#onOffer(event)
      case 'referRequested':
        return this.#onRefer(event)
      case 'failed':
      case 'cancelled':
      case 'ended':
        return this.#over('call ended')
      case 'trying':
      case 'silent':
      case 'progress':
      case 'dialog':
      case 'info':
      case 'reinvited':
      case 'referAccepted':
      case 'referProgress':
      case 'referDone':
        return
    }
  }

  #onRefer(event: Extract<CallEvent, { type: 'referRequested' }>): void {
    const { refer } = this.#script
    if (refer === 'follow') this.#parts.transfer(event.target, event.accept())
    else if (refer === 'silent') event.accept(false)
  }

  #onOffer(event: Extract<CallEvent, { type: 'reoffer' }>): void {
    const negotiation = this.#negotiation
    if (!negotiation) return event.refuse(488)
    if (event.sdp === null) return event.answer(negotiation.offer())
    const answered = negotiation.answer(event.sdp)
    if (!answered.ok) return event.refuse(488)
    this.#media.connect(answered.value.agreement)
    event.answer(answered.value.sdp)
  }

  #accept(sdp: string): void {
    const agreed = this.#negotiation?.accept(sdp)
    if (agreed?.ok) this.#media.connect(agreed.value)
    else this.hangUp()
  }

  #over(reason: string): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(new Cancelled(reason))
    this.#wake?.()
  }
}
