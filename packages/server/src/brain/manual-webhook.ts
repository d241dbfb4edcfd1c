// The webhook side of manual mode: each event is POSTed, signed, and the response is what the brain wants.
import {
  MANUAL_WEBHOOK_TIMEOUT_SEC,
  MAX_FRAME_BYTES,
  parseDirectiveLine,
  parseWebhookAnswer,
  type Directive,
  type ManualEvent,
} from '@saperly/contract'
import { Cancelled, untilCancelled, type Clock, type Log } from '@saperly/kernel'
import type { Environment } from '@saperly/network'
import type { Dialler } from '../outbound/dialler.ts'
import type { OutboundResponse } from '../outbound/response.ts'
import { DialError } from '../outbound/watch.ts'
import { signedHeaders } from '../webhook/sign.ts'
import { linesOf } from './lines.ts'

const TIMEOUT_MS = MANUAL_WEBHOOK_TIMEOUT_SEC * 1000
/** A streamed answer may take longer than its first line, but not for ever. */
const STREAM_MS = 120_000
const STREAM_TYPE = 'application/x-ndjson'
/** One answer as JSON is a frame; a streamed one is many. */
const MAX_ANSWER_BYTES = 16 * MAX_FRAME_BYTES
const MAX_STREAMED_DIRECTIVES = 256
/** Events that wait for the one before them; beyond that one that wants no answer is not told. */
const MAX_WAITING = 64
/** How long the last events may still take when the call is over. */
const CLOSE_LIMIT_MS = 5_000

/** The webhook did not answer, or not with a 2xx: ask somebody else. */
export class WebhookFailed extends Error {
  override readonly name = 'WebhookFailed'
}

export interface ManualWebhookDeps {
  dialler: Dialler
  clock: Clock
  log: Log
}

export class ManualWebhook {
  readonly #deps: ManualWebhookDeps
  readonly #url: string
  readonly #environment: Environment
  /** That sign: the current one, and the previous one in a rotation. */
  readonly #secrets: readonly string[]
  readonly #stop = new AbortController()
  /** Settles when everything that came before has been dealt with. */
  #tail: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(
    deps: ManualWebhookDeps,
    target: { url: string; environment: Environment; secrets: readonly string[] },
  ) {
    this.#deps = deps
    this.#url = target.url
    this.#environment = target.environment
    this.#secrets = target.secrets
  }

  /**
   * POSTs the event when its turn has come, and gives the directives as they arrive.
   * @throws WebhookFailed when nothing usable came, Cancelled
   */
  async *ask(event: ManualEvent, signal: AbortSignal): AsyncGenerator<Directive, void, undefined> {
    const leave = await this.#enter(signal)
    try {
      yield* this.#exchange(event, signal, this.#directives)
    } finally {
      leave()
    }
  }

  /** POSTs the event when its turn has come. Its answer is not wanted. */
  tell(event: ManualEvent): void {
    if (this.#stop.signal.aborted) return
    if (this.#waiting >= MAX_WAITING) {
      return this.#deps.log.warn('manual_webhook_behind', { type: event.type })
    }
    void this.#told(event)
  }

  /** Waits a moment for what is still to be told, and breaks off the rest. */
  async close(): Promise<void> {
    const patience = this.#deps.clock.schedule(CLOSE_LIMIT_MS, () => {
      this.#stop.abort(new Cancelled('ended'))
    })
    await this.#tail
    patience.cancel()
    this.#stop.abort(new Cancelled('ended'))
  }

  async #told(event: ManualEvent): Promise<void> {
    const signal = this.#stop.signal
    try {
      const leave = await this.#enter(signal)
      try {
        await this.#exchange(event, signal, ignored).next()
      } finally {
        leave()
      }
    } catch (error) {
      // Telling is best effort: what could not be told is in the call's events all the same.
      if (error instanceof Cancelled || error instanceof WebhookFailed) return
      throw error
    }
  }

  /** Waits for everything before; answers how to let the next one go on. */
  async #enter(signal: AbortSignal): Promise<() => void> {
    const before = this.#tail
    let leave = (): void => undefined
    this.#tail = new Promise<void>((done) => (leave = done))
    this.#waiting++
    try {
      await untilCancelled(before, signal)
      return leave
    } catch (error) {
      void before.then(leave)
      throw error
    } finally {
      this.#waiting--
    }
  }

  /** Sends, and gives what `read` makes of the response; once more when the connection failed before anything came. */
  async *#exchange(
    event: ManualEvent,
    signal: AbortSignal,
    read: (response: OutboundResponse) => AsyncIterable<Directive>,
  ): AsyncGenerator<Directive, void, undefined> {
    let given = 0
    for (let attempt = 1; ; attempt++) {
      try {
        for await (const directive of read(await this.#send(event, attempt, signal))) {
          given++
          yield directive
        }
        return
      } catch (error) {
        if (!(error instanceof DialError)) throw error
        this.#deps.log.info('manual_webhook_failed', { kind: error.kind, attempt, given })
        // What has been said cannot be taken back: an answer that breaks off in the middle is over.
        if (given > 0) return
        if (error.kind !== 'connection' || attempt === 2) throw new WebhookFailed(error.kind)
      }
    }
  }

  readonly #directives = (response: OutboundResponse): AsyncIterable<Directive> =>
    response.contentType === STREAM_TYPE ? this.#streamed(response) : this.#whole(response)

  async *#whole(response: OutboundResponse): AsyncGenerator<Directive, void, undefined> {
    const answer = parseWebhookAnswer(await response.text())
    if (answer.ok) yield* answer.value
    else this.#deps.log.info('manual_webhook_invalid', { tag: answer.failure._tag })
  }

  async *#streamed(response: OutboundResponse): AsyncGenerator<Directive, void, undefined> {
    response.extend(STREAM_MS)
    let given = 0
    for await (const line of linesOf(response.chunks())) {
      if (line.trim() === '') continue
      const directive = parseDirectiveLine(line)
      if (directive.ok) yield directive.value
      else this.#deps.log.info('manual_webhook_invalid', { tag: directive.failure._tag })
      if (++given >= MAX_STREAMED_DIRECTIVES) return
    }
  }

  /** @throws WebhookFailed when the status is not 2xx, DialError, Cancelled */
  async #send(event: ManualEvent, attempt: number, signal: AbortSignal): Promise<OutboundResponse> {
    const body = JSON.stringify(event)
    const what = { body, deliveryId: event.requestId, attempt }
    const response = await this.#deps.dialler.request({
      method: 'POST',
      url: this.#url,
      headers: {
        'content-type': 'application/json',
        accept: `application/json, ${STREAM_TYPE}`,
        ...signedHeaders(what, this.#secrets, this.#deps.clock.now()),
      },
      body,
      environment: this.#environment,
      limits: { idleMs: TIMEOUT_MS, wholeMs: TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES },
      signal,
    })
    if (response.status >= 200 && response.status < 300) return response
    await response.discard()
    this.#deps.log.info('manual_webhook_failed', { status: response.status, attempt })
    throw new WebhookFailed(`status ${response.status}`)
  }
}

/** For an event whose answer is not wanted. */
async function* ignored(response: OutboundResponse): AsyncGenerator<never, void, undefined> {
  await response.discard()
  yield* []
}
