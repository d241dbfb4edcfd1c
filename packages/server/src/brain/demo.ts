// The platform's own demo brain: a few fixed rules, so that a first call has somebody to talk with.
import type { ManualEvent } from '@saperly/contract'
import { throwIfCancelled } from '@saperly/kernel'
import type { Brain, BrainDirective } from './port.ts'

/** What the demo listens for, beside what every recogniser of the platform knows. */
export const DEMO_PHRASES = [
  'Hello, who is this?',
  'Yes, I can hear you.',
  'Yes, please.',
  'Of course.',
  'How does it work?',
  'How much does it cost?',
  'What are your opening hours?',
  'What can you do?',
  'Are you a robot?',
  'No, thank you.',
  "That's all.",
  'Thank you.',
  'Goodbye.',
] as const

/** After so many turns the demo says goodbye, so that two machines do not talk for ever. */
export const MAX_TURNS = 8
/** Silences in a row after which it gives up. */
const MAX_SILENCES = 2

const HELP = 'Ask me what this costs, when I am open, or how it works.'
const FAREWELL = 'It was nice talking to you. Goodbye.'
const NOT_UNDERSTOOD = [
  `I'm afraid I missed that. ${HELP}`,
  'Sorry, that is not on my list. Try to say help, or goodbye.',
]
/** How the demo hands the word back; the next one each time. */
const INVITATIONS = [
  'Would you like to know more?',
  'What would you like to ask?',
  'Is there anything else?',
  'Can I help you with something more?',
]

interface Rule {
  hears: RegExp
  says: string
  /** The answer asks by itself. */
  asks?: true
}

const OPT_OUT = /\bstop calling\b|\b(?:do not|don't|never) call\b|\btake me off\b|\bopt out\b/
const BYE = /\b(?:goodbye|good bye|bye|hang up|no thank you|no thanks|that's all|nothing else)\b/
const AGAIN = /\b(?:repeat|again|pardon|say that|what did you say)\b/
const DIGITS = /\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b|\d/g
const RULES: readonly Rule[] = [
  { hears: /\b(?:help|what can you do)\b/, says: HELP, asks: true },
  { hears: /\b(?:robot|machine|human)\b/, says: 'Yes, I am a machine, and not a clever one.' },
  { hears: /\b(?:cost|price|money)\b/, says: 'This call costs test money only.' },
  { hears: /\b(?:open|hours)\b/, says: 'Our doors are open day and night.' },
  { hears: /\bwho\b|\byour name\b/, says: 'My name is Saperly, and I answer phones.' },
  { hears: /\b(?:thank you|thanks)\b/, says: 'You are welcome.' },
  {
    hears: /\b(?:how does|work|yes|yeah|yep|sure|okay|of course|go ahead|correct|more)\b/,
    says: 'Text comes to me, and my words become speech.',
  },
  { hears: /\b(?:hello|hi|good morning|good afternoon|good evening)\b/, says: 'Nice to hear you.' },
  { hears: /\b(?:no|nope|not really)\b/, says: 'All right.' },
]

export class DemoBrain implements Brain {
  readonly kind = 'demo'
  #last = HELP
  #turns = 0
  #silences = 0
  #misunderstood = 0
  #invited = 0

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
        return this.#says('This is the Saperly demo. Can you hear me?')
      case 'turn':
        return this.#replies(event.text.toLowerCase().replaceAll(/[.,!?]/g, ''))
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
    if (text === '') return this.#says(NOT_UNDERSTOOD[this.#misunderstood++ % 2]!)
    if (AGAIN.test(text)) return this.#says(this.#last)
    const rule = RULES.find(({ hears }) => hears.test(text))
    if (rule) return this.#says(rule.asks ? rule.says : `${rule.says} ${this.#invitation()}`)
    const digits = text.match(DIGITS)
    return this.#says(`${digits ? `You said ${digits.join(' ')}` : `I heard: ${text}`}.`)
  }

  #invitation(): string {
    return INVITATIONS[this.#invited++ % INVITATIONS.length]!
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
  return [{ type: 'speak', text: FAREWELL }, { type: 'hangup' }]
}
