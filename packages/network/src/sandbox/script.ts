// What a sandbox phone does, as data: a list of steps from a JSON file, checked strictly before it is followed.
import { fail, ok } from '@saperly/kernel'
import type { Result } from '@saperly/kernel'
import { Reader } from './script-reader.ts'
import type { ScriptFailure } from './script-reader.ts'

/** What a phone answers when it hears one of `hears` (anywhere in a turn, without case or punctuation). */
export interface Reply {
  hears: readonly string[]
  say: string | null
  press: string | null
  hangUp: boolean
}

export type Step =
  /** 180, then so many rings of a second; null: until the caller gives up. */
  | { do: 'ring'; ms: number | null }
  | { do: 'answer' }
  | { do: 'refuse'; sipCode: number }
  /** The carrier itself says nothing, not even that it is trying. Only as the one step. */
  | { do: 'silent' }
  /** Waits for the next turn of the peer, or for one that holds `phrase`; goes on after `timeoutMs` in any case. */
  | { do: 'hear'; phrase: string | null; timeoutMs: number }
  | { do: 'say'; text: string }
  | { do: 'press'; digits: string }
  | { do: 'wait'; ms: number }
  /** After `afterMs`, speaks, whoever is speaking. */
  | { do: 'interrupt'; afterMs: number; text: string }
  | { do: 'beep' }
  /**
   * Answers up to `turns` turns: the first reply that fits, else the next of `otherwise`, nothing twice. Ends when there
   * is nothing left to say, or after a silence.
   */
  | {
      do: 'converse'
      turns: number
      patienceMs: number
      replies: readonly Reply[]
      otherwise: readonly string[]
    }
  | { do: 'hangUp' }

export interface Script {
  about: string
  /** Voice of the speech engine, null for its default. */
  voice: string | null
  /** Phrases that the phone listens for beside the default list. */
  expects: readonly string[]
  /** What becomes of a REFER; `silent`: it is taken, and nothing is reported on it. */
  refer: 'follow' | 'refuse' | 'silent'
  steps: readonly Step[]
}

export const MAX_SCRIPT_BYTES = 64 * 1024
const MAX_STEPS = 100
const MAX_TEXT_CHARS = 500
const MAX_PHRASES = 100
const MAX_PHRASE_CHARS = 150
const MAX_DIGITS = 32
const MAX_RINGS = 60
const RING_MS = 1000
const MAX_WAIT_MS = 10 * 60_000
const MAX_TURNS = 100

/** Reads a script from the text of its file. */
export function parseScript(json: string): Result<Script, ScriptFailure> {
  if (json.length > MAX_SCRIPT_BYTES) return fail({ at: '', problem: 'is longer than 64 KiB' })
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return fail({ at: '', problem: 'is not JSON' })
  }
  const reader = new Reader(value)
  const script: Script = {
    about: reader.optionalText('about', MAX_TEXT_CHARS) ?? '',
    voice: reader.optionalText('voice', MAX_PHRASE_CHARS),
    expects: reader.texts('expects', MAX_PHRASES, MAX_PHRASE_CHARS),
    refer: readRefer(reader),
    steps: reader.list('steps', MAX_STEPS, readStep),
  }
  reader.end()
  if (script.steps.length === 0) reader.fault('steps', 'must hold at least one step')
  checkOrder(script.steps, reader)
  const failure = reader.failure
  return failure ? fail(failure) : ok(script)
}

function readRefer(reader: Reader): Script['refer'] {
  const refer = reader.optionalText('refer', 20) ?? 'follow'
  if (refer === 'follow' || refer === 'refuse' || refer === 'silent') return refer
  reader.fault('refer', 'must be follow, refuse or silent')
  return 'follow'
}

function readStep(step: Reader): Step {
  const kind = step.text('do', 20)
  switch (kind) {
    case 'ring': {
      const times = step.optionalWhole('times', 1, MAX_RINGS)
      const ms = step.optionalWhole('ms', 0, MAX_WAIT_MS)
      if (times !== null && ms !== null) step.fault('ms', 'cannot stand beside times')
      return { do: 'ring', ms: times === null ? ms : times * RING_MS }
    }
    case 'answer':
    case 'silent':
    case 'beep':
    case 'hangUp':
      return { do: kind }
    case 'refuse':
      return { do: 'refuse', sipCode: step.whole('sipCode', 400, 699) }
    case 'hear':
      return {
        do: 'hear',
        phrase: step.optionalText('phrase', MAX_PHRASE_CHARS),
        timeoutMs: step.whole('timeoutSec', 1, MAX_WAIT_MS / 1000) * 1000,
      }
    case 'say':
      return { do: 'say', text: step.text('text', MAX_TEXT_CHARS) }
    case 'press':
      return { do: 'press', digits: readDigits(step, 'digits') }
    case 'wait':
      return { do: 'wait', ms: step.whole('ms', 0, MAX_WAIT_MS) }
    case 'interrupt':
      return {
        do: 'interrupt',
        afterMs: step.whole('afterMs', 0, MAX_WAIT_MS),
        text: step.text('text', MAX_TEXT_CHARS),
      }
    case 'converse':
      return {
        do: 'converse',
        turns: step.whole('turns', 1, MAX_TURNS),
        patienceMs: step.whole('patienceSec', 1, MAX_WAIT_MS / 1000) * 1000,
        replies: step.list('replies', MAX_PHRASES, readReply),
        otherwise: step.texts('otherwise', MAX_PHRASES, MAX_TEXT_CHARS),
      }
    default:
      step.fault('do', 'names no step')
      return { do: 'hangUp' }
  }
}

function readReply(reply: Reader): Reply {
  const press = reply.optionalText('press', MAX_DIGITS)
  if (press !== null) checkDigits(press, reply, 'press')
  return {
    hears: reply.texts('hears', MAX_PHRASES, MAX_PHRASE_CHARS),
    say: reply.optionalText('say', MAX_TEXT_CHARS),
    press,
    hangUp: reply.flag('hangUp'),
  }
}

function readDigits(step: Reader, name: string): string {
  const digits = step.text(name, MAX_DIGITS)
  checkDigits(digits, step, name)
  return digits
}

function checkDigits(digits: string, reader: Reader, name: string): void {
  if (!/^[0-9*#A-Dw]*$/.test(digits)) reader.fault(name, 'may hold 0-9, *, #, A-D and w')
}

const BEFORE_ANSWER: ReadonlySet<Step['do']> = new Set([
  'ring',
  'answer',
  'refuse',
  'silent',
  'wait',
])

function checkOrder(steps: readonly Step[], reader: Reader): void {
  const answered = steps.findIndex((step) => step.do === 'answer')
  for (const [i, step] of steps.entries()) {
    const early = answered < 0 || i < answered
    const at = `steps[${i}]`
    if (early && !BEFORE_ANSWER.has(step.do)) reader.fault(at, 'comes before the call is answered')
    if (!early && i > answered && step.do !== 'wait' && BEFORE_ANSWER.has(step.do)) {
      reader.fault(at, 'comes after the call is answered')
    }
    if (step.do === 'silent' && steps.length > 1) reader.fault(at, 'must be the one step')
    if (step.do === 'refuse' && i < steps.length - 1) reader.fault(at, 'must be the last step')
  }
}
