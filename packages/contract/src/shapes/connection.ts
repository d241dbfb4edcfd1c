// A connection: who talks in a call, and how. What a client may set, and what it then reads back.
import { z } from 'zod'
import { e164, httpUrl, languageTag, maybe, text, timestamp, transferTarget } from '../fields.ts'
import {
  DEFAULT_CALL_DURATION_SEC,
  MAX_CALL_DURATION_SEC,
  MAX_INSTRUCTIONS,
  recognizer,
} from './call.ts'

export const connectionModes = ['hosted', 'manual'] as const
export type ConnectionMode = (typeof connectionModes)[number]

export const machinePolicies = ['ignore', 'hangup', 'wait_for_beep'] as const
export type MachinePolicy = (typeof machinePolicies)[number]

export const MAX_MCP_SERVERS = 8
export const MAX_ALLOWED_TOOLS = 100
export const MAX_TRANSFER_TARGETS = 50
export const MAX_PHRASES = 200
export const MAX_PHRASE_LENGTH = 200
const MAX_SECRET = 4096
const MAX_SHORT_TEXT = 500
const MAX_DISCLOSURE = 1000

/** What a connection is where nothing else was asked for. `null` in a request asks for these again. */
export const connectionDefaults = {
  mode: 'hosted',
  backend: 'network',
  instructions: null,
  llm: null,
  tts: null,
  language: 'en-US',
  mcpServers: [],
  callControl: { endCall: true, sendDtmf: true, transfer: null },
  turnTaking: {
    endpointingMs: null,
    interruptible: true,
    silenceTimeoutSec: 10,
    fillerAfterMs: 5000,
    filler: 'One moment, please.',
  },
  maxDurationSec: DEFAULT_CALL_DURATION_SEC,
  recordingEnabled: false,
  complianceEnabled: true,
  disclosure: null,
  callingHours: null,
  stt: { engine: null, phrases: [] },
  machinePolicy: 'ignore',
  turnTimeoutSec: 20,
  manualWebhookUrl: null,
  smsAutoReply: false,
} as const satisfies Omit<Connection, 'id' | 'name' | 'recognizer' | 'createdAt'>

/** The hours in which a peer may be called when a policy names none of its own. */
export const defaultCallingHours = { from: '08:00', until: '21:00' } as const

const clockTime = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as 08:00')

const AUDIO_REFUSED =
  'must be network: audio stays inside the network, so a backend that would carry it out is refused'

const llmInput = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('managed'), model: text(1, 200) }),
  z.strictObject({
    kind: z.literal('openai_compatible'),
    baseUrl: httpUrl,
    model: text(1, 200),
    apiKey: maybe(text(1, MAX_SECRET)).describe('Write-only.'),
  }),
])

const mcpServerInput = z.strictObject({
  url: httpUrl,
  auth: maybe(
    z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('none') }),
      z.strictObject({
        type: z.literal('bearer'),
        token: maybe(text(1, MAX_SECRET)).describe('Write-only.'),
      }),
    ]),
  ),
  allowedTools: maybe(z.array(text(1, 200)).max(MAX_ALLOWED_TOOLS)).describe('Absent: all.'),
})

const callControlInput = z.strictObject({
  endCall: maybe(z.boolean()).describe('The agent may hang up. Default true.'),
  sendDtmf: maybe(z.boolean()).describe('The agent may press digits. Default true.'),
  transfer: maybe(
    z.strictObject({
      targets: z.array(transferTarget).min(1).max(MAX_TRANSFER_TARGETS),
      from: maybe(e164).describe('The number shown to the target.'),
    }),
  ).describe('Off unless targets are listed.'),
})

const turnTakingInput = z.strictObject({
  endpointingMs: maybe(z.int().min(100).max(5000)).describe(
    'Silence that ends a turn. Absent: found by the network’s own rules.',
  ),
  interruptible: maybe(z.boolean()).describe('Default true.'),
  silenceTimeoutSec: maybe(z.number().min(1).max(600)).describe('Default 10.'),
  fillerAfterMs: maybe(z.int().min(500).max(60_000)).describe(
    'When the caller hears the filler while the brain thinks. Default 5000.',
  ),
  filler: maybe(text(0, MAX_SHORT_TEXT)).describe('Empty: none.'),
})

const callingHoursInput = z
  .strictObject({
    from: maybe(clockTime).describe(`Default ${defaultCallingHours.from}.`),
    until: maybe(clockTime).describe(`Default ${defaultCallingHours.until}.`),
  })
  .refine(
    (hours) =>
      (hours.from ?? defaultCallingHours.from) < (hours.until ?? defaultCallingHours.until),
    { path: ['until'], message: 'must be later than from' },
  )

const sttInput = z.strictObject({
  engine: maybe(text(1, 64)).describe('One that the operator configured.'),
  phrases: maybe(z.array(text(1, MAX_PHRASE_LENGTH)).max(MAX_PHRASES)).describe(
    'What is always listened for, beside the default list.',
  ),
})

const name = text(1, 200)

const settings = {
  mode: maybe(z.enum(connectionModes)).describe(
    '`hosted`: the platform runs STT, LLM and TTS. `manual`: your own brain. Default `hosted`.',
  ),
  backend: maybe(z.literal('network', { error: AUDIO_REFUSED })),
  instructions: maybe(text(0, MAX_INSTRUCTIONS)),
  llm: maybe(llmInput),
  tts: maybe(z.strictObject({ voiceId: text(1, 128) })),
  language: maybe(languageTag).describe('BCP-47. Default en-US.'),
  mcpServers: maybe(z.array(mcpServerInput).max(MAX_MCP_SERVERS)),
  callControl: maybe(callControlInput),
  turnTaking: maybe(turnTakingInput),
  maxDurationSec: maybe(z.int().min(1).max(MAX_CALL_DURATION_SEC)).describe('Default 900.'),
  recordingEnabled: maybe(z.boolean()).describe('Default false.'),
  complianceEnabled: maybe(z.boolean()).describe('Speaks the disclosure first. Default true.'),
  disclosure: maybe(text(1, MAX_DISCLOSURE)).describe('Absent: the platform’s own wording.'),
  callingHours: maybe(callingHoursInput).describe(
    'By the peer’s own time zone. Absent: at any hour.',
  ),
  stt: maybe(sttInput),
  machinePolicy: maybe(z.enum(machinePolicies)).describe(
    'What an answering machine means to an outbound call. `ignore` (default): the brain is told, and the disclosure is spoken again after the beep. `hangup`: the call ends as `machine`. `wait_for_beep`: speech waits until a person is known, or for the beep, and is then spoken from its beginning, behind the disclosure.',
  ),
  turnTimeoutSec: maybe(z.number().min(1).max(120)).describe('Default 20.'),
  manualWebhookUrl: maybe(httpUrl),
  smsAutoReply: maybe(z.boolean()).describe('Default false.'),
}

export const createConnectionBody = z.strictObject({ name, ...settings })

/** Absent: unchanged. `null`: the default again. An object replaces the stored one whole. */
export const updateConnectionBody = z.strictObject({ name: name.optional(), ...settings })

export const Connection = z.object({
  id: z.string(),
  name: z.string(),
  mode: z.enum(connectionModes),
  backend: z.enum(['network', 'openai_realtime']),
  instructions: z.string().nullable(),
  llm: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('managed'), model: z.string() }),
      z.object({ kind: z.literal('openai_compatible'), baseUrl: z.string(), model: z.string() }),
    ])
    .nullable(),
  tts: z.object({ voiceId: z.string() }).nullable(),
  language: z.string(),
  mcpServers: z
    .array(
      z.object({
        url: z.string(),
        auth: z.object({ type: z.enum(['bearer', 'none']) }),
        allowedTools: z.array(z.string()).nullable(),
      }),
    )
    .readonly(),
  callControl: z.object({
    endCall: z.boolean(),
    sendDtmf: z.boolean(),
    transfer: z.object({ targets: z.array(z.string()), from: z.string().nullable() }).nullable(),
  }),
  turnTaking: z.object({
    endpointingMs: z.int().nullable(),
    interruptible: z.boolean(),
    silenceTimeoutSec: z.number(),
    fillerAfterMs: z.int(),
    filler: z.string(),
  }),
  maxDurationSec: z.int(),
  recordingEnabled: z.boolean(),
  complianceEnabled: z.boolean(),
  disclosure: z.string().nullable(),
  callingHours: z.object({ from: z.string(), until: z.string() }).nullable(),
  stt: z.object({ engine: z.string().nullable(), phrases: z.array(z.string()).readonly() }),
  recognizer: recognizer.describe('What its engine is able to hear. Read-only.'),
  machinePolicy: z.enum(machinePolicies),
  turnTimeoutSec: z.number(),
  manualWebhookUrl: z.string().nullable(),
  smsAutoReply: z.boolean(),
  createdAt: timestamp,
})
export type Connection = z.output<typeof Connection>

/** The answer to creating in manual mode, switching to it, or rotating: the only ones that show the secret. */
export const ConnectionWithSecret = Connection.extend({
  manualSecret: z.string().optional().describe('`mc_…`; stands only in the answer that mints it.'),
})
export type ConnectionWithSecret = z.output<typeof ConnectionWithSecret>
