// Manual mode, saperly.manual.v1: what the platform tells a brain, on the socket or by webhook.
import { z } from 'zod'
import { cents, count, sipCode, timestamp } from './fields.ts'
import { heardBases, machineVerdicts } from './shapes/call-event.ts'
import { callStatuses, directions, hangupCauses, recognizer } from './shapes/call.ts'

/** The websocket subprotocol, and the `protocol` of the first frame. */
export const MANUAL_PROTOCOL = 'saperly.manual.v1'
/** The subprotocol by which a client that can't set headers sends its secret. */
export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.'
export const MANUAL_SECRET_PREFIX = 'mc_'
export const MANUAL_PING_INTERVAL_SEC = 20
/** How long a call waits for a brain whose socket has closed. */
export const MANUAL_RECONNECT_SEC = 15
export const MANUAL_WEBHOOK_TIMEOUT_SEC = 10

/** Common to every event. */
const base = { requestId: z.string(), callId: z.string(), at: timestamp }
const opening = {
  from: z.string(),
  to: z.string(),
  instructions: z.string().nullable().describe('Outbound: the per-call or the stored prompt.'),
  topic: z.string().nullable(),
}

/** Every event, by `type`: its fields beyond `type`, `requestId`, `callId` and `at`. */
export const manualEvents = {
  inbound_call: z.object({ type: z.literal('inbound_call'), ...base, ...opening }),
  outbound_call: z.object({ type: z.literal('outbound_call'), ...base, ...opening }),
  turn: z.object({
    type: z.literal('turn'),
    ...base,
    text: z.string().describe('Empty with `noMatch`: never an invented text.'),
    startedAt: timestamp,
    endedAt: timestamp,
    confidence: z.number(),
    source: z.literal('speech'),
    recognizer,
    noMatch: z.boolean(),
    interrupted: z
      .object({ heard: z.string() })
      .nullable()
      .describe('The words of the last answer that were really played before the caller cut in.'),
  }),
  interrupted: z.object({
    type: z.literal('interrupted'),
    ...base,
    answering: z.string().nullable().describe('The request whose answer was cut.'),
    heard: z.string(),
    heardMs: z.number(),
    basis: z.enum(heardBases),
  }),
  dtmf: z.object({ type: z.literal('dtmf'), ...base, digits: z.string() }),
  machine: z.object({
    type: z.literal('machine'),
    ...base,
    verdict: z.enum(machineVerdicts),
    confidence: z.number(),
  }),
  funds_low: z.object({ type: z.literal('funds_low'), ...base, secondsLeft: z.number() }),
  transfer_failed: z.object({
    type: z.literal('transfer_failed'),
    ...base,
    reason: z.string(),
    sipCode,
  }),
  silence: z.object({ type: z.literal('silence'), ...base, seconds: z.number() }),
  opt_out: z.object({
    type: z.literal('opt_out'),
    ...base,
    text: z.string().optional().describe('What was said, or'),
    digit: z.string().optional().describe('what was pressed.'),
  }),
  cancelled: z.object({
    type: z.literal('cancelled'),
    ...base,
    superseded: z.string().describe('The request whose answer is to be dropped.'),
  }),
  call_ended: z.object({
    type: z.literal('call_ended'),
    ...base,
    status: z.enum(callStatuses),
    durationSec: count,
    costCents: cents,
    hangupCause: z.enum(hangupCauses),
  }),
} as const

export type ManualEventType = keyof typeof manualEvents
export const manualEventTypes = Object.keys(manualEvents) as ManualEventType[]

/** One event to a brain, of one type or of any. */
export type ManualEvent<T extends ManualEventType = ManualEventType> = {
  [K in T]: z.output<(typeof manualEvents)[K]>
}[T]

/** The events that ask for an answer; all others are for information. */
export const answerableEventTypes = [
  'inbound_call',
  'outbound_call',
  'turn',
  'dtmf',
  'silence',
] as const satisfies readonly ManualEventType[]
export type AnswerableEventType = (typeof answerableEventTypes)[number]

export function wantsAnswer(event: ManualEvent): event is ManualEvent<AnswerableEventType> {
  return answerableEventTypes.some((type) => type === event.type)
}

/** The first frame on a socket. */
export const ReadyFrame = z.object({
  type: z.literal('ready'),
  protocol: z.literal(MANUAL_PROTOCOL),
  connectionId: z.string(),
  calls: z
    .array(
      z.object({
        callId: z.string(),
        from: z.string(),
        to: z.string(),
        direction: z.enum(directions),
      }),
    )
    .describe('The live calls that this socket now owns.'),
})
export type ReadyFrame = z.output<typeof ReadyFrame>

export const manualErrorTags = ['InvalidDirective', 'StaleRequest'] as const

/** What a frame that can't be followed is answered with; the call goes on. */
export const ErrorFrame = z.object({
  type: z.literal('error'),
  requestId: z.string().nullable(),
  _tag: z
    .enum(manualErrorTags)
    .describe('`StaleRequest`: the `requestId` is unknown or was answered before.'),
  message: z.string(),
})
export type ErrorFrame = z.output<typeof ErrorFrame>

/** Every frame that the platform sends on a socket. */
export type ServerFrame = ReadyFrame | ErrorFrame | ManualEvent
