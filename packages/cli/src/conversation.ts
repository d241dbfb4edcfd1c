// A conversation as it happens, a line for each event of a call's timeline.
import type { CallEvent, LatencyMs } from '@saperly/sdk'
import type { Terminal } from './terminal.ts'

const NAME_WIDTH = 7

export class ConversationPrinter {
  readonly #terminal: Terminal
  #startedAt: number | null = null

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  print(event: CallEvent): void {
    const [who, text] = told(event)
    this.#startedAt ??= Date.parse(event.at)
    const seconds = ((Date.parse(event.at) - this.#startedAt) / 1000).toFixed(1).padStart(6)
    const terminal = this.#terminal
    const name = who.padEnd(NAME_WIDTH)
    const style = who === 'agent' ? 'cyan' : who === 'caller' ? 'green' : 'dim'
    const latency = event.type === 'speak' ? this.#latency(event.data.latencyMs) : ''
    const said = style === 'dim' ? terminal.paint('dim', text) : text
    terminal.line(
      `${terminal.paint('dim', `${seconds} s`)}  ${terminal.paint(style, name)}  ${said}${latency}`,
    )
  }

  #latency(ms: LatencyMs | null): string {
    if (ms === null) return ''
    const { endpointing, brain, speech, wire, total } = ms
    const each = Object.entries({ endpointing, brain, speech, wire }).map(
      ([name, value]) => `${name} ${Math.round(value)}`,
    )
    return `  ${this.#terminal.paint('yellow', `[${Math.round(total)} ms: ${each.join(' + ')}]`)}`
  }
}

/** Who did it, and what. */
function told(event: CallEvent): ['agent' | 'caller' | 'call', string] {
  switch (event.type) {
    case 'initiated':
      return ['call', `${event.data.from} calls ${event.data.to}`]
    case 'ringing':
      return ['call', 'rings']
    case 'answered':
      return [
        'call',
        `answered; a ${event.data.brain} brain talks, the recogniser knows ${event.data.recognizer === 'free' ? 'any words' : 'phrases'}`,
      ]
    case 'disclosure':
      return ['agent', event.data.text]
    case 'turn':
      return ['caller', event.data.noMatch ? '(not understood)' : event.data.text]
    case 'speak': {
      const { text, heardText, interrupted } = event.data
      return ['agent', interrupted ? `${text} (cut off; heard: “${heardText ?? ''}”)` : text]
    }
    case 'interrupted':
      return ['call', 'the caller cut in']
    case 'dtmf': {
      const { digits, direction } = event.data
      return [direction === 'sent' ? 'agent' : 'caller', `presses ${digits}`]
    }
    case 'transfer': {
      const { to, state, reason } = event.data
      return ['call', `transfer to ${to}: ${state}${reason === null ? '' : ` (${reason})`}`]
    }
    case 'machine':
      return ['call', `sounds like: ${event.data.verdict}`]
    case 'speech': {
      const { part, from, to, reason } = event.data
      const does = part === 'hear' ? 'hears' : 'speaks'
      return ['call', `${to ?? 'nobody'} ${does} in place of ${from ?? 'nobody'} (${reason})`]
    }
    case 'funds_low':
      return ['call', `funds for ${Math.floor(event.data.secondsLeft)} s more`]
    case 'quality': {
      const { mos, lossInPercent, jitterMs } = event.data
      const sound = mos === null ? 'nothing was heard' : `sounds like ${mos.toFixed(1)} of 4.5`
      return ['call', `${sound}, ${lossInPercent} % lost, jitter ${Math.round(jitterMs)} ms`]
    }
    case 'ended': {
      const { status, hangupCause, durationSec, costCents } = event.data
      const cause = hangupCause === null ? '' : ` (${hangupCause})`
      return ['call', `ended: ${status}${cause}, ${durationSec ?? 0} s, ${costCents ?? 0} cents`]
    }
  }
}
