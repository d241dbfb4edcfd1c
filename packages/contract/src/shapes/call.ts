// A call, what was said in it, and what a client sends to place and steer one.
import { z } from 'zod'
import {
  cents,
  count,
  dtmfDigits,
  e164,
  idField,
  maybe,
  sipCode,
  text,
  timestamp,
  transferTarget,
} from '../fields.ts'

export const directions = ['inbound', 'outbound'] as const
export type Direction = (typeof directions)[number]

/** A final status never changes; `initiated` is the only one that is not final. */
export const callStatuses = ['initiated', 'completed', 'no_answer', 'failed', 'rejected'] as const
export type CallStatus = (typeof callStatuses)[number]

export const callPhases = ['dialing', 'ringing', 'connected', 'ended'] as const
export type CallPhase = (typeof callPhases)[number]

export const hangupCauses = [
  'peer_hangup',
  'agent_hangup',
  'api_end',
  'transferred',
  'busy',
  'declined',
  'no_answer',
  'cancelled',
  'invalid_number',
  'carrier_refused',
  'carrier_silent',
  'no_trunk',
  'media_lost',
  'insufficient_funds',
  'max_duration',
  'silence',
  'machine',
  'opted_out',
  'no_brain',
  'expired',
  'process_lost',
] as const
export type HangupCause = (typeof hangupCauses)[number]

export const recognizers = ['phrases', 'free'] as const
export type Recognizer = (typeof recognizers)[number]

export const recognizer = z
  .enum(recognizers)
  .describe('`phrases`: the recogniser knows only phrases that it was told; `free`: any words.')

const MAX_METADATA_ENTRIES = 16
const MAX_METADATA_KEY = 64
const MAX_METADATA_VALUE = 500

/** Longest stored or per-call prompt, in characters. */
export const MAX_INSTRUCTIONS = 20_000
/** Longest text spoken at once, in characters. */
export const MAX_SPOKEN_TEXT = 4000
/** Longest call that a connection or a request may ask for: four hours. */
export const MAX_CALL_DURATION_SEC = 14_400
export const DEFAULT_CALL_DURATION_SEC = 900
export const MIN_RING_TIMEOUT_SEC = 5
export const MAX_RING_TIMEOUT_SEC = 120
export const DEFAULT_RING_TIMEOUT_SEC = 45

const metadata = z
  .record(text(1, MAX_METADATA_KEY), text(0, MAX_METADATA_VALUE))
  .refine(
    (entries) => Object.keys(entries).length <= MAX_METADATA_ENTRIES,
    `must have at most ${MAX_METADATA_ENTRIES} entries`,
  )

export const Call = z.object({
  id: z.string(),
  numberId: z.string().describe('The number of the workspace that calls or is called.'),
  direction: z.enum(directions),
  to: z.string(),
  from: z.string(),
  connectionId: z.string().nullable(),
  recognizer: recognizer.nullable(),
  status: z.enum(callStatuses).describe('`completed` is the only one that bills.'),
  phase: z.enum(callPhases),
  rateCentsPerMin: cents,
  durationSec: count.nullable(),
  costCents: cents.nullable(),
  hangupCause: z.enum(hangupCauses).nullable(),
  sipCode: sipCode.describe('What the carrier said, where it said it.'),
  q850Cause: z.int().nullable().describe('What the carrier said, where it said it.'),
  hasRecording: z.boolean(),
  hasTranscript: z.boolean(),
  createdAt: timestamp,
  answeredAt: timestamp.nullable(),
  endedAt: timestamp.nullable(),
  metadata: z.record(z.string(), z.string()),
})
export type Call = z.output<typeof Call>

export const transcriptRoles = ['agent', 'caller', 'disclosure'] as const

export const TranscriptTurn = z.object({
  role: z.enum(transcriptRoles),
  text: z.string(),
  heardText: z.string().nullable().describe('What was really played before the caller cut in.'),
  startedAt: timestamp,
  endedAt: timestamp.nullable(),
  interrupted: z.boolean(),
})
export type TranscriptTurn = z.output<typeof TranscriptTurn>

export const Transcript = z.object({
  callId: z.string(),
  recognizer: recognizer.nullable(),
  turns: z.array(TranscriptTurn),
})
export type Transcript = z.output<typeof Transcript>

export const placeCallBody = z.strictObject({
  fromNumberId: idField.describe('The number of the workspace to call from.'),
  to: e164.describe('Whom to call, in E.164.'),
  connectionId: maybe(idField).describe('Who talks, in place of the number’s own connection.'),
  instructions: maybe(text(0, MAX_INSTRUCTIONS)).describe(
    'Replaces the stored prompt for this call alone.',
  ),
  ringTimeoutSec: maybe(z.int().min(MIN_RING_TIMEOUT_SEC).max(MAX_RING_TIMEOUT_SEC)).describe(
    `Default ${DEFAULT_RING_TIMEOUT_SEC}.`,
  ),
  maxDurationSec: maybe(z.int().min(1).max(MAX_CALL_DURATION_SEC)).describe(
    'Default: the connection’s.',
  ),
  metadata: maybe(metadata).describe('At most 16 strings of 500 characters, returned as they are.'),
})

/** A body that may be absent. */
export const endCallBody = z
  .strictObject({
    durationSec: maybe(z.number().min(0)).describe(
      'Seconds that the call lasted by your own measure. The bill is for the longer of this and what the network measured.',
    ),
  })
  .nullish()

export const transferCallBody = z.strictObject({
  to: transferTarget.describe('E.164, or a `sip:` or `sips:` address.'),
})

export const speakBody = z.strictObject({
  text: text(1, MAX_SPOKEN_TEXT),
  interrupt: maybe(z.boolean()).describe(
    'Cuts what is being said, but never the disclosure. Default false: queues behind it.',
  ),
})

export const dtmfBody = z.strictObject({
  digits: dtmfDigits.describe('`0-9 * # A-D`; `w` waits 500 ms.'),
})

export const placeSandboxCallBody = z.strictObject({
  from: e164.describe('The number that the sandbox phone shows.'),
  toNumberId: idField.describe('The number of the workspace that is called.'),
  script: maybe(text(1, 100)).describe('Name of the script that the sandbox phone follows.'),
})
