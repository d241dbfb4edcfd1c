// What a brain tells the platform: directives, and the frames and webhook answers that carry them. Strictly read.
import { z } from 'zod'
import { dtmfDigits, idField, maybe, text, transferTarget } from './fields.ts'
import type { Result } from './result.ts'
import { MAX_SPOKEN_TEXT } from './shapes/call.ts'
import { MAX_PHRASES, MAX_PHRASE_LENGTH } from './shapes/connection.ts'
import { validate } from './validate.ts'

export const MAX_FRAME_BYTES = 65_536
export const MAX_DIRECTIVES = 64
export const MAX_EXPECTED_DIGITS = 32
export const MAX_WAIT_SEC = 600

const words = z.array(text(1, MAX_PHRASE_LENGTH)).max(MAX_PHRASES)

const Expect = z.strictObject({
  phrases: maybe(words),
  digits: maybe(z.int().min(1).max(MAX_EXPECTED_DIGITS)).describe(
    'How many; the turn ends at once when they have come.',
  ),
  hints: maybe(words),
})

/** Every directive, by `type`. */
export const directives = {
  speak: z.strictObject({
    type: z.literal('speak'),
    text: text(0, MAX_SPOKEN_TEXT),
    more: maybe(z.boolean()).describe('Further text of the same answer follows. Default false.'),
    interruptible: maybe(z.boolean()).describe('Default true.'),
    voice: maybe(text(1, 128)),
  }),
  wait_for_user: z.strictObject({
    type: z.literal('wait_for_user'),
    timeoutSec: maybe(z.number().gt(0).max(MAX_WAIT_SEC)),
    expect: maybe(Expect).describe('What the caller is likely to say.'),
  }),
  hangup: z.strictObject({ type: z.literal('hangup') }),
  transfer: z.strictObject({
    type: z.literal('transfer'),
    to: transferTarget.describe('One of the connection’s targets.'),
  }),
  send_dtmf: z.strictObject({ type: z.literal('send_dtmf'), digits: dtmfDigits }),
} as const

export type DirectiveType = keyof typeof directives
export const directiveTypes = Object.keys(directives) as DirectiveType[]

/** One directive, of one type or of any. */
export type Directive<T extends DirectiveType = DirectiveType> = {
  [K in T]: z.output<(typeof directives)[K]>
}[T]

export const DirectiveSchema: z.ZodType<Directive> = z.discriminatedUnion('type', [
  directives.speak,
  directives.wait_for_user,
  directives.hangup,
  directives.transfer,
  directives.send_dtmf,
])

/** An empty list is an answer too: the platform goes on listening. */
const list = z.array(DirectiveSchema).max(MAX_DIRECTIVES)

/** As it stands on the wire: one of `requestId` and `callId`, one of `directive` and `directives`. */
const RawFrame = z.strictObject({
  requestId: maybe(idField),
  callId: maybe(idField),
  directive: maybe(DirectiveSchema),
  directives: maybe(list),
})
export type RawBrainFrame = z.input<typeof RawFrame>

/** Directives that answer a request, or that come unasked on a live call. */
export type BrainFrame =
  | { kind: 'answer'; requestId: string; directives: Directive[] }
  | { kind: 'unasked'; callId: string; directives: Directive[] }

/** A frame that can't be followed; becomes an error frame with tag `InvalidDirective`. */
export interface InvalidDirective {
  _tag: 'InvalidDirective'
  /** The request that the frame named, where it could be read. */
  requestId: string | null
  message: string
}

type Read<T> = Result<T, InvalidDirective>

/** True where the answer is over: its last directive is not a `speak` with `more`. */
export function endsAnswer(given: readonly Directive[]): boolean {
  const last = given.at(-1)
  return !(last?.type === 'speak' && last.more === true)
}

/** Reads one text frame of a brain's socket. Never throws. */
export function parseBrainFrame(frame: string): Read<BrainFrame> {
  const json = parseJson(frame)
  if (!json.ok) return json
  const requestId = namedRequest(json.value)
  const raw = validate(RawFrame, json.value)
  if (!raw.ok) return invalid(raw.failure.message, requestId)
  const given = directivesOf(raw.value, requestId)
  if (!given.ok) return given
  const { callId } = raw.value
  if (requestId !== null && callId) {
    return invalid('a frame names a requestId or a callId, not both', requestId)
  }
  if (requestId !== null) return answer({ kind: 'answer', requestId, directives: given.value })
  if (callId) return answer({ kind: 'unasked', callId, directives: given.value })
  return invalid('requestId or callId is required', null)
}

/**
 * Reads the JSON that a brain's webhook answered with: a frame without its `requestId`, a bare directive, or a bare
 * list of them. Nothing at all, or an empty object, means no directives. Never throws.
 */
export function parseWebhookAnswer(body: string): Read<Directive[]> {
  if (body.trim() === '') return answer([])
  const json = parseJson(body)
  if (!json.ok) return json
  if (Array.isArray(json.value)) return checked(list, json.value)
  if (isRecord(json.value) && 'type' in json.value) return one(json.value)
  if (isRecord(json.value) && Object.keys(json.value).length === 0) return answer([])
  const raw = validate(RawFrame, json.value)
  if (!raw.ok) return invalid(raw.failure.message, namedRequest(json.value))
  return directivesOf(raw.value, raw.value.requestId ?? null)
}

/** Reads one line of an `application/x-ndjson` answer. Never throws. */
export function parseDirectiveLine(line: string): Read<Directive> {
  const json = parseJson(line)
  return json.ok ? checked(DirectiveSchema, json.value) : json
}

function one(value: unknown): Read<Directive[]> {
  const directive = checked(DirectiveSchema, value)
  return directive.ok ? answer([directive.value]) : directive
}

function directivesOf(raw: z.output<typeof RawFrame>, requestId: string | null): Read<Directive[]> {
  if (raw.directive && raw.directives) {
    return invalid('a frame has a directive or directives, not both', requestId)
  }
  if (raw.directive) return answer([raw.directive])
  return raw.directives ? answer(raw.directives) : invalid('directives is required', requestId)
}

function parseJson(frame: string): Read<unknown> {
  // A UTF-16 unit is at least one byte: the cheap test first.
  if (frame.length > MAX_FRAME_BYTES || Buffer.byteLength(frame) > MAX_FRAME_BYTES) {
    return invalid(`a frame has at most ${MAX_FRAME_BYTES} bytes`, null)
  }
  try {
    return answer(JSON.parse(frame) as unknown)
  } catch {
    return invalid('the frame is not JSON', null)
  }
}

function checked<S extends z.ZodType>(schema: S, value: unknown): Read<z.output<S>> {
  const read = validate(schema, value)
  return read.ok ? read : invalid(read.failure.message, null)
}

function namedRequest(value: unknown): string | null {
  const named = isRecord(value) ? value['requestId'] : null
  return typeof named === 'string' && idField.safeParse(named).success ? named : null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function answer<T>(value: T): { ok: true; value: T } {
  return { ok: true, value }
}

function invalid(
  message: string,
  requestId: string | null,
): { ok: false; failure: InvalidDirective } {
  return { ok: false, failure: { _tag: 'InvalidDirective', requestId, message } }
}
