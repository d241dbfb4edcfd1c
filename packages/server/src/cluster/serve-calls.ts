// The side of the process that carries calls: answers what others ask about them.
import { Fault, type Clock, type Result } from '@saperly/kernel'
import type { FailureOf, FailureTag } from '@saperly/contract'
import type { TracedMessage } from '@saperly/network'
import type { Messenger, Question } from '../bus/messenger.ts'
import type { Calls } from '../call/port.ts'
import type { KeyRow, Store, Tenant } from '../store/port.ts'
import {
  dtmfQuestion,
  endQuestion,
  type Outcome,
  placeQuestion,
  sandboxQuestion,
  signallingQuestion,
  speakQuestion,
  transferQuestion,
} from './messages.ts'

/** Characters of signalling that one answer carries; of a longer record the newest messages. */
const MAX_SIGNALLING_LENGTH = 200_000

export interface ServeDeps {
  messenger: Messenger
  calls: Calls
  store: Store
  clock: Clock
}

/** Answers from now on. Returns how to stop. */
export function serveCalls(deps: ServeDeps): () => void {
  const { messenger, calls } = deps
  const { processId: here } = messenger
  const serve = <Q, A>(question: Question<Q, A>, handler: (asked: Q) => Promise<A>) =>
    messenger.answer(question, here, handler)
  const stops = [
    serve(placeQuestion, async ({ tenant, keyId, ...request }) => {
      const key = await keyOf(deps, tenant, keyId)
      return outcomeOf(await calls.place({ ...request, key }))
    }),
    serve(endQuestion, async ({ tenant, callId, durationSec, actor }) =>
      outcomeOf(await calls.end(tenant, callId, durationSec, actor)),
    ),
    serve(transferQuestion, async ({ tenant, callId, to, actor }) =>
      outcomeOf(await calls.transfer(tenant, callId, to, actor)),
    ),
    serve(speakQuestion, async ({ tenant, callId, text, interrupt }) =>
      outcomeOf(await calls.speak(tenant, callId, text, interrupt)),
    ),
    serve(dtmfQuestion, async ({ tenant, callId, digits }) =>
      outcomeOf(await calls.sendDtmf(tenant, callId, digits)),
    ),
    serve(sandboxQuestion, async ({ tenant, keyId, ...request }) => {
      const key = await keyOf(deps, tenant, keyId)
      return outcomeOf(await calls.sandboxCall({ ...request, key }))
    }),
    serve(signallingQuestion, async ({ tenant, callId }) => {
      const call = await deps.store.tables.calls.get(tenant, callId)
      return call ? newest(await calls.signalling(call)) : []
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** As it stands now: caps and allow-lists are not taken from a message. */
async function keyOf({ store, clock }: ServeDeps, tenant: Tenant, keyId: string): Promise<KeyRow> {
  const key = await store.tables.keys.get(tenant, keyId, clock.now())
  if (!key) throw new Fault('the key of a request is not in this database', { retryable: false })
  return key
}

function outcomeOf<Tag extends FailureTag>(result: Result<unknown, FailureOf<Tag>>): Outcome<Tag> {
  return result.ok ? { done: true } : { done: false, failure: result.failure }
}

function newest(messages: readonly TracedMessage[]): TracedMessage[] {
  let length = 0
  const kept: TracedMessage[] = []
  for (const message of messages.toReversed()) {
    length += message.text.length
    if (length > MAX_SIGNALLING_LENGTH) break
    kept.unshift(message)
  }
  return kept
}
