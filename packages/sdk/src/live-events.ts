// The timeline of a call as it happens: past events first, then live ones, across broken connections, until it ended.
import { ConnectionError, SaperlyError } from './errors.ts'
import type { CallEvent } from './generated/call-event.ts'
import { backOffMs, waitBeforeRetry } from './retry.ts'
import { serverSentEvents } from './sse.ts'
import { asItComes, type RequestOptions, type Transport } from './transport.ts'
import { childOf, sleep } from './wait.ts'

/** The server sends a sign of life every 15 seconds; a stream that is silent for longer than this is dead. */
const SILENCE_LIMIT_MS = 45_000
/** Connections in a row that brought no event. */
const MAX_FRUITLESS = 10

export interface LiveOptions extends Omit<RequestOptions, 'idempotencyKey'> {
  /** Begins after this event. */
  lastEventId?: string | undefined
}

export async function* liveEvents(
  transport: Transport,
  callId: string,
  options: LiveOptions,
): AsyncGenerator<CallEvent, void, undefined> {
  let lastEventId = options.lastEventId
  let fruitless = 0
  for (;;) {
    try {
      for await (const event of connection(transport, callId, { ...options, lastEventId })) {
        lastEventId = event.id
        fruitless = 0
        yield event
        if (event.type === 'ended') return
      }
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason
      const retried = waitBeforeRetry(error, { method: 'GET', safe: true }, fruitless)
      if (retried === null || fruitless >= MAX_FRUITLESS) throw error
    }
    if (fruitless >= MAX_FRUITLESS) throw new ConnectionError('the stream of events keeps ending')
    await sleep(backOffMs(fruitless++), options.signal)
  }
}

/** The events of one connection. Ends when the server ends it, throws when it breaks. */
async function* connection(
  transport: Transport,
  callId: string,
  options: LiveOptions,
): AsyncGenerator<CallEvent, void, undefined> {
  const outgoing = transport.outgoing('listCallEvents', { id: callId })
  outgoing.headers['accept'] = 'text/event-stream'
  if (options.lastEventId) outgoing.headers['last-event-id'] = options.lastEventId
  const { controller, release } = childOf(options.signal)
  const watch = watchdog(() => controller.abort(new ConnectionError('the stream fell silent')))
  try {
    const signal = controller.signal
    const { body } = await transport.send(outgoing, { ...options, signal }, asItComes)
    if (!body) throw new SaperlyError('this runtime gives no access to the body of a response')
    for await (const event of serverSentEvents(body)) {
      watch.alive()
      if (event) yield JSON.parse(event.data) as CallEvent
    }
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason
    if (error instanceof SaperlyError) throw error
    throw new ConnectionError('the stream of events broke off', { cause: error })
  } finally {
    watch.stop()
    release()
    controller.abort()
  }
}

function watchdog(onSilence: () => void): { alive: () => void; stop: () => void } {
  let timer = setTimeout(onSilence, SILENCE_LIMIT_MS)
  return {
    alive: () => {
      clearTimeout(timer)
      timer = setTimeout(onSilence, SILENCE_LIMIT_MS)
    },
    stop: () => clearTimeout(timer),
  }
}
