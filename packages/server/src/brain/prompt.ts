// What a hosted model is told: the rules of a phone call, and each event of the call in words.
import type { ManualEvent } from '@saperly/contract'
import type { Recognizer } from './tools.ts'

const RULES = [
  'You are on a phone call. Everything you write is spoken aloud by a speech engine, and everything you read was heard by a speech recogniser.',
  'Answer in one or two short sentences, then let the other person speak. No lists, headings, emoji, links or stage directions; write numbers and abbreviations the way they are said.',
  'Text in square brackets comes from the phone platform, not from the other person. Never read it out.',
  'Rely only on what is written here as heard. When something was not understood, say so and ask again; never guess.',
  'When the other person does not want to be called any more, use opt_out at once.',
]

const PHRASES_RULE =
  'The recogniser of this call knows only set phrases: yes and no, digits, days, greetings, common requests, and those that you announce with expect_replies. Ask questions that a few words can answer and announce these words. Anything else arrives as not understood.'

/** The system message: the customer's instructions, then the platform's rules. */
export function systemPrompt(
  instructions: string | null,
  language: string,
  recognizer: Recognizer,
): string {
  const rules = [...RULES, `Speak the language ${language} unless you are told otherwise.`]
  if (recognizer === 'phrases') rules.push(PHRASES_RULE)
  const own = instructions?.trim() ? `${instructions.trim()}\n\n` : ''
  return `${own}Rules of the phone:\n${rules.map((rule) => `- ${rule}`).join('\n')}`
}

/** An event in words, or null for one that says nothing to a model. */
export function inWords(event: ManualEvent): string | null {
  switch (event.type) {
    case 'inbound_call':
      return `[An incoming call from ${event.from} was answered. Greet the caller.]`
    case 'outbound_call':
      return `[Your call to ${event.to} was answered.${topicOf(event.topic)} Begin.]`
    case 'turn':
      return event.noMatch || event.text === ''
        ? '[The other person said something that was not understood.]'
        : event.text
    case 'dtmf':
      return `[The other person pressed ${event.digits.split('').join(' ')}.]`
    case 'silence':
      return `[Nothing was heard for ${event.seconds} seconds.]`
    case 'machine':
      return machineInWords(event.verdict)
    case 'funds_low':
      return `[The call will be cut off in ${event.secondsLeft} seconds. Come to an end.]`
    case 'transfer_failed':
      return '[The transfer failed. You are still connected with the other person.]'
    case 'interrupted':
    case 'opt_out':
    case 'cancelled':
    case 'call_ended':
      return null
  }
}

function topicOf(topic: string | null): string {
  return topic === null ? '' : ` It is about: ${topic}.`
}

function machineInWords(verdict: ManualEvent<'machine'>['verdict']): string {
  if (verdict === 'human') return '[A person has answered.]'
  return verdict === 'machine'
    ? '[An answering machine has answered.]'
    : '[The answering machine has beeped: what you say now is recorded.]'
}
