// Calls: placing, steering, following and reading them.
import type {
  EndCallBody,
  PlaceCallBody,
  PlaceSandboxCallBody,
  SendDtmfBody,
  SpeakOnCallBody,
  TransferCallBody,
} from '../generated/bodies.ts'
import type { Call, CallEvent, Receipt, Transcript } from '../generated/answers.ts'
import type { ListCallEventsQuery, ListCallsQuery } from '../generated/queries.ts'
import { type List, list } from '../list.ts'
import { liveEvents, type LiveOptions } from '../live-events.ts'
import { asItComes, type RequestOptions, type Transport } from '../transport.ts'

export class Calls {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Places a call; resolves once the carrier rings, answers, or has had 8 seconds. */
  place(body: PlaceCallBody, options?: RequestOptions): Promise<Call> {
    return this.#transport.call('placeCall', { body }, options)
  }

  get(id: string, options?: RequestOptions): Promise<Call> {
    return this.#transport.call('getCall', { id }, options)
  }

  list(query?: ListCallsQuery, options?: RequestOptions): List<Call> {
    return list(this.#transport, 'listCalls', { query: query ?? {} }, options)
  }

  /** Hangs up and settles; before the answer it cancels. A call that is already final is returned unchanged. */
  end(id: string, body?: EndCallBody | null, options?: RequestOptions): Promise<Call> {
    return this.#transport.call('endCall', { id, body }, options)
  }

  /** Blind; resolves once the carrier has accepted it. */
  transfer(id: string, body: TransferCallBody, options?: RequestOptions): Promise<Call> {
    return this.#transport.call('transferCall', { id, body }, options)
  }

  /** Says something on a live call; queues behind what is being said unless `interrupt`. */
  speak(id: string, body: SpeakOnCallBody, options?: RequestOptions): Promise<Call> {
    return this.#transport.call('speakOnCall', { id, body }, options)
  }

  /** Presses digits: `0-9 * # A-D`, and `w` for a pause of 500 ms. */
  sendDtmf(id: string, body: SendDtmfBody, options?: RequestOptions): Promise<Call> {
    return this.#transport.call('sendDtmf', { id, body }, options)
  }

  /**
   * The timeline, oldest first. With `live: true` past events come first, then each as it happens, until the call has
   * ended; a broken connection is resumed where it broke.
   */
  events(id: string, options: LiveOptions & { live: true }): AsyncGenerator<CallEvent, void>
  events(
    id: string,
    options?: ListCallEventsQuery & RequestOptions & { live?: false },
  ): List<CallEvent>
  events(
    id: string,
    { live, ...options }: (ListCallEventsQuery & LiveOptions) & { live?: boolean } = {},
  ): AsyncGenerator<CallEvent, void> | List<CallEvent> {
    if (live === true) return liveEvents(this.#transport, id, options)
    const { limit, cursor, ...rest } = options
    return list(this.#transport, 'listCallEvents', { id, query: { limit, cursor } }, rest)
  }

  /** What was held, what was taken, and for which seconds. */
  receipt(id: string, options?: RequestOptions): Promise<Receipt> {
    return this.#transport.call('getReceipt', { id }, options)
  }

  transcript(id: string, options?: RequestOptions): Promise<Transcript> {
    return this.#transport.call('getTranscript', { id }, options)
  }

  /**
   * The recording: a WAV file (16-bit PCM, 8 kHz, left the peer, right the agent) as the body of the response, whose
   * `url` is the link to it, good for 15 minutes.
   * @throws NotFound while `hasRecording` is false
   */
  recording(id: string, options: RequestOptions = {}): Promise<Response> {
    const outgoing = this.#transport.outgoing('getRecording', { id })
    outgoing.headers['accept'] = 'audio/wav, application/json'
    return this.#transport.send(outgoing, options, asItComes)
  }

  /**
   * The SIP messages of the call, for support: a ladder and every message in full, secrets masked.
   * @throws NotFound when nothing is kept (any more)
   */
  sip(id: string, options: RequestOptions = {}): Promise<string> {
    const outgoing = this.#transport.outgoing('getCallSip', { id })
    outgoing.headers['accept'] = 'text/plain, application/json'
    return this.#transport.send(outgoing, options, (response) => response.text())
  }

  /** The same as a capture file, which Wireshark reads. */
  async sipCapture(id: string, options: RequestOptions = {}): Promise<Uint8Array> {
    const outgoing = this.#transport.outgoing('getCallSip', { id, query: { format: 'pcap' } })
    outgoing.headers['accept'] = 'application/vnd.tcpdump.pcap, application/json'
    const read = (response: Response): Promise<ArrayBuffer> => response.arrayBuffer()
    return new Uint8Array(await this.#transport.send(outgoing, options, read))
  }
}

/** What only test keys can do. */
export class Sandbox {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** One of the platform's own phones calls a number of the workspace. */
  call(body: PlaceSandboxCallBody, options?: RequestOptions): Promise<Call> {
    return this.#transport.call('placeSandboxCall', { body }, options)
  }
}
