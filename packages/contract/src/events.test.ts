// What the platform tells: webhooks, timelines and brains. Each type has its schema, and its schema takes it.
import { describe, expect, expectTypeOf, it } from 'vitest'
import { deliveredEventTypes, webhookEnvelopes } from './events.ts'
import type { WebhookEnvelope, WebhookPayload } from './events.ts'
import { ErrorFrame, ReadyFrame, manualEventTypes, manualEvents, wantsAnswer } from './manual.ts'
import type { ManualEvent } from './manual.ts'
import { CallEvent, callEventTypes } from './shapes/call-event.ts'
import { webhookEventTypes } from './shapes/webhook.ts'

const at = '2026-01-01T00:00:00.000Z'

describe('webhooks', () => {
  it('have a payload for every type that can be subscribed to, and for the test', () => {
    expect(deliveredEventTypes.toSorted()).toEqual(
      [...webhookEventTypes, 'webhook.test'].toSorted(),
    )
  })

  it('tell how a call ended', () => {
    const envelope: WebhookEnvelope<'call.failed'> = {
      deliveryId: 'dlv_1',
      eventType: 'call.failed',
      createdAt: at,
      payload: {
        callId: 'call_1',
        status: 'no_answer',
        durationSec: 0,
        costCents: 0,
        from: '+15550000001',
        to: '+15550000002',
        hangupCause: 'busy',
      },
    }
    const schema = webhookEnvelopes['call.failed']
    expect(schema.parse(envelope)).toEqual(envelope)
    const payload = { ...envelope.payload, status: 'completed' }
    expect(schema.safeParse({ ...envelope, payload }).success).toBe(false)
    expectTypeOf<WebhookPayload<'call.completed'>['status']>().toEqualTypeOf<'completed'>()
  })
})

describe('the timeline', () => {
  it('has the types of the contract', () => {
    expect(callEventTypes).toEqual([
      'initiated',
      'ringing',
      'answered',
      'disclosure',
      'turn',
      'speak',
      'interrupted',
      'dtmf',
      'transfer',
      'machine',
      'speech',
      'funds_low',
      'quality',
      'ended',
    ])
  })

  it('ties data to its type', () => {
    const pressed = { direction: 'received', digits: '9' } as const
    const event: CallEvent = { id: 'evt_1', callId: 'call_1', type: 'dtmf', at, data: pressed }
    expect(CallEvent.parse(event)).toEqual(event)
    expect(CallEvent.safeParse({ ...event, type: 'ringing' }).success).toBe(false)
    expect(CallEvent.safeParse({ ...event, type: 'other' }).success).toBe(false)
  })
})

describe('manual mode', () => {
  it('has the events of the contract, each with what all carry', () => {
    expect(manualEventTypes).toHaveLength(12)
    for (const [type, schema] of Object.entries(manualEvents)) {
      expect(schema.shape.type.parse(type)).toBe(type)
      expect(Object.keys(schema.shape)).toEqual(
        expect.arrayContaining(['type', 'requestId', 'callId', 'at']),
      )
    }
  })

  it('knows which events want an answer', () => {
    const base = { requestId: 'r', callId: 'call_1', at }
    const silence: ManualEvent = { type: 'silence', ...base, seconds: 10 }
    const cancelled: ManualEvent = { type: 'cancelled', ...base, superseded: 'q' }
    expect(wantsAnswer(silence)).toBe(true)
    expect(wantsAnswer(cancelled)).toBe(false)
    expect(manualEvents.silence.parse(silence)).toEqual(silence)
  })

  it('opens with ready, and answers what it can’t follow with an error', () => {
    const ready = {
      type: 'ready',
      protocol: 'saperly.manual.v1',
      connectionId: 'conn_1',
      calls: [],
    }
    expect(ReadyFrame.parse(ready)).toEqual(ready)
    const stale = { type: 'error', requestId: null, _tag: 'StaleRequest', message: 'unknown' }
    expect(ErrorFrame.parse(stale)).toEqual(stale)
  })
})
