// The documented default list: what the embedded recogniser always listens for, beside what a call expects.
import { phraseWords } from './phrase-grammar.ts'

const DIGIT_WORDS: Readonly<Record<string, string>> = {
  zero: '0',
  one: '1',
  two: '2',
  three: '3',
  four: '4',
  five: '5',
  six: '6',
  seven: '7',
  eight: '8',
  nine: '9',
}

/** Asking never to be called again. Always listened for, on every call. */
export const optOutPhrases: readonly string[] = [
  'Stop calling me.',
  'Please stop calling me.',
  'Stop calling.',
  'Do not call me again.',
  "Don't call me again.",
  'Do not call me.',
  "Don't call me anymore.",
  'Do not call this number again.',
  'Never call me again.',
  'Remove me from your list.',
  'Take me off your list.',
  'Take me off your calling list.',
  'Remove my number.',
  'Unsubscribe me.',
  'I want to opt out.',
]

/** Beside these, any sequence of spoken digits (zero to nine) is heard. */
export const defaultPhrases: readonly string[] = [
  'Yes.',
  'Yes, please.',
  'Yeah.',
  'Sure.',
  'Okay.',
  'Of course.',
  "That's right.",
  'No.',
  'No, thank you.',
  'No, thanks.',
  'Not now.',
  'Maybe.',
  "I don't know.",
  'Hello.',
  'Good morning.',
  'Good afternoon.',
  'Good evening.',
  'Hello, who is this?',
  'Who is this?',
  'Who is calling?',
  'How are you?',
  "I'm fine, thanks.",
  'Goodbye.',
  'Bye.',
  'Have a nice day.',
  'Thank you.',
  'Thanks.',
  'Thank you, goodbye.',
  "You're welcome.",
  'Thank you very much.',
  'Monday.',
  'Tuesday.',
  'Wednesday.',
  'Thursday.',
  'Friday.',
  'Saturday.',
  'Sunday.',
  'Today.',
  'Tomorrow.',
  'Next week.',
  'In the morning.',
  'In the afternoon.',
  'Right now.',
  'Can you repeat that?',
  'Please repeat that.',
  'Can you say that again?',
  'Pardon?',
  "I don't understand.",
  'Please speak slowly.',
  'What did you say?',
  'Just a moment.',
  'I would like to speak to a person.',
  'Can I speak to a human?',
  'Operator.',
  'Help.',
  'I would like to make an appointment.',
  'I would like to cancel my appointment.',
  'I would like to change my appointment.',
  'What are your opening hours?',
  'When are you open?',
  'Where are you located?',
  'How much does it cost?',
  'I have a question.',
  'I need help.',
  'I would like to book a table.',
  'Call me back later.',
  'Can you call me back?',
  'I am busy right now.',
  "I'm not interested.",
  'Wrong number.',
  'Are you a robot?',
  'Am I talking to a machine?',
  'What is your name?',
  'Go ahead.',
  'Please hold.',
  'Tell me more.',
  "That's all.",
  'Nothing else.',
  'Cancel.',
  'Continue.',
  ...optOutPhrases,
]

const OPT_OUTS = optOutPhrases.map((phrase) => phraseWords(phrase).join(' '))

/** True when `text` asks not to be called again, in these or in a few more words around them. */
export function isOptOut(text: string): boolean {
  const said = ` ${phraseWords(text).join(' ')} `
  return OPT_OUTS.some((phrase) => said.includes(` ${phrase} `))
}

/** The digits in a text, spoken as words or written: "one two 3" gives "123". */
export function digitsIn(text: string): string {
  return phraseWords(text)
    .map((word) => DIGIT_WORDS[word] ?? word.replaceAll(/\D/g, ''))
    .join('')
}
