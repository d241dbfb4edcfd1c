// End of turn as a table: how long the peer must be silent before the turn is theirs no more, and why.

export interface EndpointContext {
  recognizer: 'phrases' | 'free'
  /** What was recognised so far; empty when the engine says nothing before the end. */
  partial: string
  /** Phrases that are being listened for, as far as they are known here. */
  phrases: readonly string[]
  /** Digits that end the turn when filled, or null. */
  digitsWanted: number | null
  digitsPressed: number
  /** The connection's own wait, which replaces the pause rules, or null. */
  endpointingMs: number | null
  /** The recogniser tells the ends of turns by itself, and whether it has told that of this one. */
  engineEnds?: boolean
  engineEnded?: boolean
}

export type EndpointReason =
  | 'digits_filled'
  | 'configured'
  | 'digits_missing'
  | 'engine_ended'
  | 'engine_decides'
  | 'unfinished'
  | 'phrase_complete'
  | 'punctuation'
  | 'number'
  | 'phrase_list'
  | 'otherwise'

export interface EndpointDecision {
  /** Silence since the last voiced sample after which the turn is over; 0 ends it at once, even in mid-voice. */
  waitMs: number
  reason: EndpointReason
}

/** No rule and no setting waits longer. */
export const MAX_WAIT_MS = 3_000

interface Rule {
  reason: EndpointReason
  waitMs: (context: EndpointContext) => number
  applies: (context: EndpointContext, words: readonly string[]) => boolean
}

const DIGIT_WORDS = new Set('zero oh one two three four five six seven eight nine'.split(' '))
const NUMBER_WORDS = new Set([
  ...DIGIT_WORDS,
  ...'ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' '),
  ...'twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million'.split(' '),
])
/** Words after which people go on. */
const JOINING_WORDS = new Set(
  'and but or um uh erm so because if then the a an my to of for with is'.split(' '),
)

/** The first rule that applies decides. */
const RULES: readonly Rule[] = [
  rule('digits_filled', 0, ({ digitsWanted, digitsPressed }, words) => {
    return digitsWanted !== null && Math.max(digitsPressed, countDigits(words)) >= digitsWanted
  }),
  {
    reason: 'configured',
    waitMs: ({ endpointingMs }) => endpointingMs ?? MAX_WAIT_MS,
    applies: ({ endpointingMs }) => endpointingMs !== null,
  },
  // People read long numbers in groups and breathe between them.
  rule('digits_missing', 1_500, ({ digitsWanted }, words) => {
    return digitsWanted !== null && endsInNumber(words)
  }),
  // A model that hears how something is said knows better than rules over words; they only bound it.
  rule('engine_ended', 0, ({ engineEnded = false }) => engineEnded),
  rule('engine_decides', 1_500, ({ engineEnds = false }) => engineEnds),
  rule('unfinished', 1_500, (_, words) => JOINING_WORDS.has(words.at(-1) ?? '')),
  rule('phrase_complete', 300, ({ phrases }, words) => isWholePhrase(phrases, words)),
  rule('punctuation', 300, ({ partial }) => /[.!?…。！？]["'”’)\]]*\s*$/u.test(partial)),
  rule('number', 600, (_, words) => endsInNumber(words)),
  // A phrase recogniser often says nothing before the end: a middle wait, as most of its phrases are short answers.
  rule('phrase_list', 500, ({ recognizer }) => recognizer === 'phrases'),
  rule('otherwise', 800, () => true),
]

function rule(reason: EndpointReason, waitMs: number, applies: Rule['applies']): Rule {
  return { reason, waitMs: () => waitMs, applies }
}

/** How long to wait now, and by which rule. Pure. */
export function decideEndpoint(context: EndpointContext): EndpointDecision {
  const words = wordsOf(context.partial)
  for (const { reason, waitMs, applies } of RULES) {
    if (!applies(context, words)) continue
    return { reason, waitMs: Math.min(MAX_WAIT_MS, Math.max(0, waitMs(context))) }
  }
  return { reason: 'otherwise', waitMs: MAX_WAIT_MS }
}

/** Lower-case words of a text, without punctuation. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{M}\p{N}']+/gu) ?? []
}

/** True for a word that carries meaning: a hesitation alone neither confirms an interruption nor a turn. */
export function hasWord(text: string): boolean {
  return wordsOf(text).some((word) => !HESITATIONS.has(word))
}

const HESITATIONS = new Set('uh um er erm ah hm hmm mm mhm huh'.split(' '))

function countDigits(words: readonly string[]): number {
  let count = 0
  for (const word of words) {
    if (DIGIT_WORDS.has(word)) count++
    else count += word.match(/\p{Nd}/gu)?.length ?? 0
  }
  return count
}

function endsInNumber(words: readonly string[]): boolean {
  const last = words.at(-1)
  return last !== undefined && (NUMBER_WORDS.has(last) || /\p{Nd}$/u.test(last))
}

/** One of the phrases is complete, and no longer one begins with it. */
function isWholePhrase(phrases: readonly string[], words: readonly string[]): boolean {
  if (words.length === 0) return false
  const said = words.join(' ')
  let whole = false
  for (const phrase of phrases) {
    const known = wordsOf(phrase).join(' ')
    if (known === said) whole = true
    else if (known.startsWith(`${said} `)) return false
  }
  return whole
}
