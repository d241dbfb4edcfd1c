// Follows a script on a line, step by step, until it ends or the call does.
import { unreachable } from '@saperly/kernel'
import type { Clock } from '@saperly/kernel'
import { BEEP_VOICE } from '../speech/beep.ts'
import { phraseWords } from '../speech/phrase-grammar.ts'
import type { HeardTurn, Line } from './line.ts'
import type { Reply, Script, Step } from './script.ts'

/** A phone may ring for so long; the caller gives up before. */
const MAX_RING_MS = 180_000
/** Nobody hangs up with their last word: the peer shall have heard it. */
const LINGER_MS = 1000
/** Text of a beep: what a transcript would show. */
const BEEP_TEXT = '(beep)'
const CALM = { over: false, voice: null }

/**
 * Follows `steps` in order, hanging up after the last one if the script doesn't. Rejects with Cancelled when `signal`
 * aborts, which is how the end of the call ends its script.
 */
export async function runScript(
  steps: readonly Step[],
  line: Line,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (const step of steps) {
    if (await runStep(step, line, clock, signal)) return
  }
  line.hangUp()
}

/** The part of a script that a phone follows when it is the one who calls: what comes after the answer. */
export function callerSteps(script: Script): readonly Step[] {
  const answered = script.steps.findIndex((step) => step.do === 'answer')
  return answered < 0 ? [] : script.steps.slice(answered + 1)
}

/** True when the script has ended the call. */
async function runStep(
  step: Step,
  line: Line,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  switch (step.do) {
    case 'ring':
      line.ring()
      await clock.sleep(step.ms ?? MAX_RING_MS, signal)
      return false
    case 'answer':
      await line.answer()
      return false
    case 'refuse':
      line.refuse(step.sipCode)
      return true
    case 'silent':
      // Calls to a silent carrier reach nobody (see sandbox.ts); a phone that calls has nothing to do here.
      return false
    case 'hear':
      await hear(step, line, clock)
      return false
    case 'say':
      await line.say(step.text, CALM)
      return false
    case 'press':
      await line.press(step.digits)
      return false
    case 'wait':
      await clock.sleep(step.ms, signal)
      return false
    case 'interrupt':
      await clock.sleep(step.afterMs, signal)
      await line.say(step.text, { over: true, voice: null })
      return false
    case 'beep':
      await line.say(BEEP_TEXT, { over: true, voice: BEEP_VOICE })
      return false
    case 'converse':
      return converse(step, line, clock, signal)
    case 'hangUp':
      line.hangUp()
      return true
    default:
      return unreachable(step, 'sandbox script')
  }
}

async function hear(step: Extract<Step, { do: 'hear' }>, line: Line, clock: Clock): Promise<void> {
  line.forget()
  const untilMs = clock.monotonicMs() + step.timeoutMs
  for (;;) {
    const leftMs = untilMs - clock.monotonicMs()
    if (leftMs <= 0) return
    const turn = await line.hear(leftMs)
    if (!turn || step.phrase === null || holds(turn, step.phrase)) return
  }
}

/** True when it ended the call. */
async function converse(
  step: Extract<Step, { do: 'converse' }>,
  line: Line,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  // Nothing is said twice: two machines that repeat themselves would do so for ever.
  const given = new Set<string>()
  const isNew = (reply: Reply): boolean => !given.has(wordsOf(reply))
  for (let turn = 0; turn < step.turns; turn++) {
    const heard = await line.hear(step.patienceMs)
    if (!heard) return false
    const fitting = step.replies.find(
      (reply) => isNew(reply) && reply.hears.some((phrase) => holds(heard, phrase)),
    )
    const reply = fitting ?? step.otherwise.map(plainly).find(isNew)
    if (!reply) return false
    given.add(wordsOf(reply))
    await give(reply, line)
    if (!reply.hangUp) continue
    await clock.sleep(LINGER_MS, signal)
    line.hangUp()
    return true
  }
  return false
}

function plainly(text: string): Reply {
  return { hears: [], say: text, press: null, hangUp: false }
}

function wordsOf({ say, press }: Reply): string {
  return say ?? press ?? ''
}

async function give(reply: Reply, line: Line): Promise<void> {
  if (reply.say !== null) await line.say(reply.say, CALM)
  if (reply.press !== null) await line.press(reply.press)
}

/** Whether the words of `phrase` stand in a turn, in order and together. */
function holds(turn: HeardTurn, phrase: string): boolean {
  const said = ` ${phraseWords(turn.text).join(' ')} `
  const words = phraseWords(phrase).join(' ')
  return words !== '' && said.includes(` ${words} `)
}
