// The platform's own demo brain: a few fixed rules, so that a first call has somebody to talk with.
import type { ManualEvent } from '@saperly/contract'
import { throwIfCancelled } from '@saperly/kernel'
import type { Brain, BrainDirective } from './port.ts'

/** What the demo listens for, beside what every recogniser of the platform knows. */
export const DEMO_PHRASES = [
  'yes',
  'no',
  'thank you',
  'hello',
  'help',
  'repeat that',
  'goodbye',
  'stop calling me',
] as const

/** After so many turns the demo says goodbye, so that two machines do not talk for ever. */
export const MAX_TURNS = 12
/** Silences in a row after which it gives up. */
const MAX_SILENCES = 2

const GOODBYE = 'Goodbye, and thank you for calling.'
const HELP = 'You can say yes or no, read me some digits, ask me to repeat, or say goodbye.'

type Rule = [pattern: RegExp, reply: string]

const OPT_OUT = /\bstop calling\b|\b(?:do not|don't|never) call\b|\btake me off\b|\bopt out\b/
const BYE = /\b(?:goodbye|good bye|bye|hang up)\b/
const AGAIN = /\b(?:repeat|again|pardon|say that)\b/
const DIGITS = /\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b|\d/g
const RULES: readonly Rule[] = [
  [/\b(?:help|what can you do)\b/, HELP],
  [/\b(?:thank you|thanks)\b/, 'You are welcome. Is there anything else?'],
  [/\b(?:hello|hi|good morning|good afternoon|good evening)\b/, `Hello. ${HELP}`],
  [/\b(?:yes|yeah|yep|sure|okay|correct)\b/, 'Good, you said yes. What else would you like?'],
  [/\b(?:no|nope|not really)\b/, 'All right, you said no. What would you like instead?'],
]

export class DemoBrain implements Brain {
  readonly kind = 'demo'
  #last = HELP
  #turns = 0
  #silences = 0

  async *ask(
    event: ManualEvent,
    signal: AbortSignal,
  ): AsyncGenerator<BrainDirective, void, undefined> {
    throwIfCancelled(signal)
    this.#silences = event.type === 'silence' ? this.#silences + 1 : 0
    yield* this.#answer(event)
  }

  /** Nothing that it is told changes what it says. */
  tell(): void {}

  async close(): Promise<void> {}

  #answer(event: ManualEvent): BrainDirective[] {
    switch (event.type) {
      case 'inbound_call':
        return this.#says(`Hello, this is the Saperly demo. ${HELP}`)
      case 'outbound_call':
        return this.#says('Hello, this is the Saperly demo. Can you hear me?')
      case 'turn':
        return this.#replies(event.text.toLowerCase())
      case 'dtmf':
        return this.#says(`You pressed ${event.digits.split('').join(' ')}.`)
      case 'silence':
        return this.#silences > MAX_SILENCES ? farewell() : this.#says('Are you still there?')
      case 'interrupted':
      case 'machine':
      case 'funds_low':
      case 'transfer_failed':
      case 'opt_out':
      case 'cancelled':
      case 'call_ended':
        return []
    }
  }

  #replies(text: string): BrainDirective[] {
    if (OPT_OUT.test(text)) return [{ type: 'opt_out' }]
    if (BYE.test(text) || ++this.#turns >= MAX_TURNS) return farewell()
    if (text === '') return this.#says(`I did not understand that. ${HELP}`)
    if (AGAIN.test(text)) return this.#says(this.#last)
    for (const [pattern, reply] of RULES) if (pattern.test(text)) return this.#says(reply)
    const digits = text.match(DIGITS)
    return this.#says(digits ? `You said ${digits.join(' ')}.` : `I heard: ${text}.`)
  }

  #says(text: string): BrainDirective[] {
    this.#last = text
    return [
      { type: 'speak', text },
      { type: 'wait_for_user', expect: { phrases: [...DEMO_PHRASES] } },
    ]
  }
}

function farewell(): BrainDirective[] {
  return [{ type: 'speak', text: GOODBYE }, { type: 'hangup' }]
}
