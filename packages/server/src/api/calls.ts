// The routes of calls: placing and steering go to the call itself, reading to the store.
import { failure } from '@saperly/contract'
import type { CallEvent } from '@saperly/contract'
import { fail, ok } from '@saperly/kernel'
import type { EventRow } from '../store/port.ts'
import { ladderOf } from '../trace/ladder.ts'
import { pcapOf } from '../trace/pcap.ts'
import { seeCall } from './access.ts'
import type { HandlersFor } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { pageOf } from './page.ts'
import { recordingUrl } from './recording.ts'
import { callWire, eventWire, transcriptWire } from './wire.ts'

type CallRoutes =
  | 'placeCall'
  | 'endCall'
  | 'transferCall'
  | 'speakOnCall'
  | 'sendDtmf'
  | 'getCall'
  | 'listCalls'
  | 'getTranscript'
  | 'getRecording'
  | 'listCallEvents'
  | 'getCallSip'

export function callHandlers(deps: ApiDeps): HandlersFor<CallRoutes> {
  const { calls, store } = deps
  const { tables } = store
  return {
    placeCall: async ({ body, context }) => {
      const placed = await calls.place({
        key: context.key,
        fromNumberId: body.fromNumberId,
        to: body.to,
        connectionId: body.connectionId ?? null,
        instructions: body.instructions ?? null,
        ringTimeoutSec: body.ringTimeoutSec ?? null,
        maxDurationSec: body.maxDurationSec ?? null,
        metadata: body.metadata ?? {},
        idempotencyKey: context.idempotencyKey,
      })
      return placed.ok ? ok(callWire(placed.value)) : placed
    },

    endCall: async ({ params, body, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      const { tenant, actor } = context
      const ended = await calls.end(tenant, params.id, body?.durationSec ?? null, actor)
      return ended.ok ? ok(callWire(ended.value)) : ended
    },

    transferCall: async ({ params, body, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      const { tenant, actor } = context
      const transferred = await calls.transfer(tenant, params.id, body.to, actor)
      return transferred.ok ? ok(callWire(transferred.value)) : transferred
    },

    speakOnCall: async ({ params, body, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      const interrupt = body.interrupt ?? false
      const spoken = await calls.speak(context.tenant, params.id, body.text, interrupt)
      return spoken.ok ? ok(callWire(spoken.value)) : spoken
    },

    sendDtmf: async ({ params, body, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      const sent = await calls.sendDtmf(context.tenant, params.id, body.digits)
      return sent.ok ? ok(callWire(sent.value)) : sent
    },

    getCall: async ({ params, context }) => {
      const call = await seeCall(tables, context, params.id)
      return call.ok ? ok(callWire(call.value)) : call
    },

    listCalls: async ({ query, context }) => {
      const filter = {
        status: query.status ?? null,
        numberId: query.numberId ?? null,
        numberIds: context.key.numberScope,
        to: query.to ?? null,
        since: query.since === undefined ? null : Date.parse(query.since),
        until: query.until === undefined ? null : Date.parse(query.until),
      }
      return ok(
        await pageOf(query, (page) => tables.calls.list(context.tenant, filter, page), callWire),
      )
    },

    getTranscript: async ({ params, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      return ok(transcriptWire(call.value, await tables.transcripts.list(params.id)))
    },

    getRecording: async ({ params, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      if (call.value.recordingPath === null)
        return fail(failure('NotFound', { path: context.path }))
      return ok({ location: recordingUrl(deps, call.value) })
    },

    getCallSip: async ({ params, query, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      const messages = await calls.signalling(call.value)
      if (messages.length === 0) return fail(failure('NotFound', { path: context.path }))
      return query.format === 'pcap'
        ? ok({ contentType: 'application/vnd.tcpdump.pcap', body: pcapOf(messages) })
        : ok({ contentType: 'text/plain; charset=utf-8', body: ladderOf(call.value, messages) })
    },

    listCallEvents: async ({ params, query, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      const { live } = context
      if (live) {
        const rows = calls.follow(params.id, live.lastEventId, live.signal)
        return ok({ stream: eventsWire(rows) })
      }
      // Oldest first, so the cursor is the last event seen.
      const rows = await tables.events.list(params.id, query.cursor ?? null)
      const items = rows.slice(0, query.limit)
      const more = rows.length > items.length
      return ok({
        items: items.map(eventWire),
        nextCursor: more ? (items.at(-1)?.id ?? null) : null,
      })
    },
  }
}

async function* eventsWire(rows: AsyncIterable<EventRow>): AsyncIterable<CallEvent> {
  for await (const row of rows) yield eventWire(row)
}
