// The speech engines of the config file: their schema, and what it takes before the network may use them.
import type { ConfiguredSpeech, EngineSettings } from '@saperly/network'
import {
  hasSherpa,
  hearings,
  openManifest,
  SHERPA_PACKAGE,
  trySherpa,
  voices,
} from '@saperly/network'
import type { Clock, Log } from '@saperly/kernel'
import { z } from 'zod'

/** Names of the node's own pairs, which no other engine may have. */
const OWN_NAMES = ['embedded', 'tone']

const apiKey = z.string().min(1).max(4096)
const socketUrl = z.url({ protocol: /^wss?$/ })
const model = z.string().min(1).max(200)

const voice = z.strictObject({
  id: z.string().regex(/^[\w.-]{1,64}$/, 'must be letters, digits, _, . and -'),
  name: z.string().min(1).max(100),
  gender: z.enum(['female', 'male', 'neutral']).default('neutral'),
  language: z.string().regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/, 'must be a BCP-47 tag'),
})

const engine = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('deepgram'),
    apiKey,
    url: socketUrl.default('wss://api.deepgram.com/v2/listen'),
    model: model.default('flux-general-en'),
  }),
  z.strictObject({
    kind: z.literal('cartesia'),
    apiKey,
    url: socketUrl.default('wss://api.cartesia.ai/tts/websocket'),
    version: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a date')
      .default('2026-03-01'),
    model: model.default('sonic-3.5'),
    voices: z.array(voice).min(1).max(1000),
  }),
  /** The path of a manifest, from the directory that the server starts in. */
  z.strictObject({ kind: z.literal('sherpa'), manifest: z.string().min(1).max(4096) }),
])

const engineName = z
  .string()
  .regex(/^[a-z0-9-]{1,40}$/, 'must be lower-case letters, digits and -')
  .refine((name) => !OWN_NAMES.includes(name), 'is a name of the platform’s own engines')

export const speechSchema = z.strictObject({
  engines: z
    .record(engineName, engine)
    .refine((engines) => Object.keys(engines).length <= 20, 'must have at most 20 engines')
    .default({}),
  fallback: z
    .strictObject({
      hear: z.array(z.string().min(1).max(64)).max(10).default([]),
      speak: z.array(z.string().min(1).max(128)).max(10).default([]),
    })
    .prefault({}),
})
export type SpeechConfig = z.output<typeof speechSchema>

/**
 * Opens the manifests, holds their files against their hashes and the names against each other. Returns what the
 * network takes, or every fault as `field: message`; no value and no key stands in one.
 */
export async function configuredSpeech(
  own: 'embedded' | 'tone',
  { engines, fallback }: SpeechConfig,
  deps: { clock: Clock; log: Log },
): Promise<ConfiguredSpeech | string[]> {
  const faults: string[] = []
  const opened: Record<string, EngineSettings> = {}
  for (const [name, settings] of Object.entries(engines)) {
    const at = `config file: speech.engines.${name}`
    const known: EngineSettings | null =
      settings.kind === 'sherpa' ? await openSherpa(settings.manifest, at, faults, deps) : settings
    if (known) opened[name] = known
  }
  const configured = { engines: opened, fallback }
  // What could not be opened can't be held against the lists either.
  if (faults.length > 0) return faults
  const heard = hearings(own, configured)
  for (const [i, name] of fallback.hear.entries()) {
    if (heard[name]?.recognizer === 'free') continue
    faults.push(`config file: speech.fallback.hear.${i}: must be an engine that hears any words`)
  }
  const known = voices(own, configured)
  for (const [i, id] of fallback.speak.entries()) {
    if (known.some((one) => one.id === id)) continue
    faults.push(`config file: speech.fallback.speak.${i}: must be a voice, as GET /voices lists it`)
  }
  return faults.length > 0 ? faults : configured
}

async function openSherpa(
  manifest: string,
  at: string,
  faults: string[],
  deps: { clock: Clock; log: Log },
): Promise<EngineSettings | null> {
  const installed = hasSherpa()
  if (!installed) {
    faults.push(`${at}.kind: needs the npm package ${SHERPA_PACKAGE}, which is not installed`)
  }
  const opened = await openManifest(manifest)
  if (!Array.isArray(opened)) {
    const failure = installed ? await trySherpa(opened, deps) : null
    if (failure) faults.push(`${at}.manifest: names a model that can’t be loaded (${failure})`)
    return failure ? null : { kind: 'sherpa', model: opened }
  }
  for (const { field, message } of opened) {
    faults.push(`${at}.manifest: ${field === '' ? '' : `${field} `}${message}`)
  }
  return null
}
