// The timeline of a call: what happened, when, and what each type of event says about it.
import { z } from 'zod'
import { cents, count, sipCode, timestamp } from '../fields.ts'
import { callStatuses, directions, hangupCauses, recognizer } from './call.ts'

/** How it was found what the caller heard: from word times, from alignment, or in proportion to the audio played. */
export const heardBases = ['exact', 'aligned', 'estimated'] as const
export type HeardBasis = (typeof heardBases)[number]

export const machineVerdicts = ['human', 'machine', 'beep'] as const
export type MachineVerdict = (typeof machineVerdicts)[number]

/** What a speech engine does in a call. */
export const speechParts = ['hear', 'speak'] as const
export type SpeechPart = (typeof speechParts)[number]

/** Who talks: `demo` is the platform's own brain, which answers in test where a connection has none. */
export const brainKinds = ['hosted', 'manual', 'demo'] as const
export type BrainKind = (typeof brainKinds)[number]

/** An event of the timeline tells of a while that sounded otherwise than before, and one at the end of the whole call. */
export const qualitySpans = ['interval', 'call'] as const

const milliseconds = z.number().min(0)
const percent = z.number().min(0).max(100)
/** Estimated mean opinion score. */
const mos = z.number().min(1).max(4.5)

/** Where the time went from the caller's last word to the first word of the answer, in milliseconds. */
export const LatencyMs = z.object({
  endpointing: milliseconds,
  brain: milliseconds,
  speech: milliseconds,
  wire: milliseconds,
  total: milliseconds,
})
export type LatencyMs = z.output<typeof LatencyMs>

/** The `data` of each type of event. */
export const callEventData = {
  initiated: z.object({
    direction: z.enum(directions),
    from: z.string(),
    to: z.string(),
    connectionId: z.string().nullable(),
  }),
  ringing: z.object({ sipCode }),
  answered: z.object({ recognizer, brain: z.enum(brainKinds) }),
  disclosure: z.object({ text: z.string(), startedAt: timestamp, endedAt: timestamp.nullable() }),
  turn: z.object({
    text: z.string(),
    noMatch: z.boolean(),
    confidence: z.number(),
    recognizer,
    startedAt: timestamp,
    endedAt: timestamp,
  }),
  speak: z.object({
    text: z.string(),
    heardText: z.string().nullable(),
    source: z.enum(['brain', 'api', 'filler', 'platform']),
    startedAt: timestamp,
    endedAt: timestamp.nullable(),
    interrupted: z.boolean(),
    latencyMs: LatencyMs.nullable().describe('null where it does not answer a turn.'),
  }),
  interrupted: z.object({
    heard: z.string(),
    heardMs: milliseconds,
    basis: z.enum(heardBases),
  }),
  dtmf: z.object({ digits: z.string(), direction: z.enum(['received', 'sent']) }),
  transfer: z.object({
    to: z.string(),
    state: z.enum(['requested', 'accepted', 'completed', 'failed']),
    reason: z.string().nullable(),
    sipCode,
  }),
  machine: z.object({ verdict: z.enum(machineVerdicts), confidence: z.number() }),
  speech: z
    .object({
      part: z.enum(speechParts),
      from: z.string().nullable(),
      to: z.string().nullable().describe('null: nothing is heard until an engine recovers.'),
      reason: z.string(),
    })
    .describe('Another speech engine has taken over.'),
  funds_low: z.object({ secondsLeft: z.number() }),
  quality: z.object({
    span: z.enum(qualitySpans).describe('The ten seconds before, or the whole call.'),
    codec: z.string(),
    packetsSent: count,
    packetsReceived: count,
    packetsLost: count,
    packetsLate: count.describe('Received, but too late to be played.'),
    framesConcealed: count.describe('Pieces of 20 ms that were made up for what was missing.'),
    lossInPercent: percent,
    lossOutPercent: percent.nullable().describe('As the far side reports it; null: it did not.'),
    jitterMs: milliseconds,
    jitterOutMs: milliseconds.nullable(),
    roundTripMs: milliseconds.nullable(),
    mos: mos.nullable().describe('How the far side is heard (E-model); null: nothing came.'),
    mosOut: mos.nullable().describe('How the far side hears us; null where it reports nothing.'),
  }),
  ended: z.object({
    status: z.enum(callStatuses),
    hangupCause: z.enum(hangupCauses).nullable(),
    durationSec: count.nullable(),
    costCents: cents.nullable(),
    sipCode,
    q850Cause: z.int().nullable(),
  }),
} as const

export type CallEventType = keyof typeof callEventData
export const callEventTypes = Object.keys(callEventData) as CallEventType[]

export type CallEventData<T extends CallEventType> = z.output<(typeof callEventData)[T]>

/** One event, of one type or of any. */
export type CallEvent<T extends CallEventType = CallEventType> = {
  [K in T]: { id: string; callId: string; type: K; at: string; data: CallEventData<K> }
}[T]

function eventOf(type: CallEventType) {
  return z.object({
    id: z.string(),
    callId: z.string(),
    type: z.literal(type),
    at: timestamp,
    data: callEventData[type],
  })
}

const [first, ...rest] = callEventTypes.map(eventOf)
if (!first) throw new Error('a call has events')

export const CallEvent = z.discriminatedUnion('type', [
  first,
  ...rest,
]) as unknown as z.ZodType<CallEvent>
