// The signalling of a call as people read it: a ladder of arrows between us and our peers, then every message.
import type { TracedMessage } from '@saperly/network'

const SHAFT_CHARS = 54
/** A label that is longer is cut: the message itself follows below. */
const LABEL_CHARS = SHAFT_CHARS - 4

export interface TracedCall {
  id: string
  from: string
  to: string
}

/** Times are seconds since the first message. */
export function ladderOf(call: TracedCall, messages: readonly TracedMessage[]): string {
  const startMs = messages[0]?.at ?? 0
  const peers = [...new Set(messages.map(({ theirs }) => theirs))]
  const head = [
    `Call ${call.id} from ${call.from} to ${call.to}`,
    `Began ${new Date(startMs).toISOString()}; times are seconds since then.`,
    'Secrets are masked with stars.',
    ...peers.map((peer, i) => `Peer ${i + 1}: ${peer}`),
  ]
  const ladder = messages.map((message) => {
    const peer = peers.indexOf(message.theirs) + 1
    return `${secondsOf(message.at - startMs)}  us ${arrow(message)} peer ${peer} ${message.protocol}`
  })
  const bodies = messages.flatMap((message, i) => {
    const { direction, theirs, ours, protocol, text } = message
    const way = direction === 'sent' ? `${ours} -> ${theirs}` : `${theirs} -> ${ours}`
    const title = `--- ${i + 1}  ${secondsOf(message.at - startMs)}  ${way}  ${protocol}, ${text.length} bytes`
    return [title, readable(text), '']
  })
  return [...head, '', ...ladder, '', ...bodies].join('\n')
}

function arrow(message: TracedMessage): string {
  const label = labelOf(message.text).slice(0, LABEL_CHARS)
  const shaft = '-'.repeat(SHAFT_CHARS - label.length)
  return message.direction === 'sent' ? `${label} ${shaft}>` : `<${shaft} ${label}`
}

/** Method and CSeq of a request, status and CSeq of a response. */
function labelOf(text: string): string {
  const [line = ''] = text.split(/\r?\n/, 1)
  const cseq = /^cseq[ \t]*:[ \t]*(\d+)[ \t]+(\S+)/im.exec(text)
  const status = /^SIP\/2\.0 (\d{3}.*)$/i.exec(line)?.[1]
  if (status !== undefined) return cseq ? `${status} (${cseq[1]} ${cseq[2]})` : status
  const method = line.split(' ', 1)[0] ?? ''
  const body = /^content-type[ \t]*:[ \t]*application\/sdp/im.test(text) ? ' with SDP' : ''
  return cseq ? `${method} (${cseq[1]})${body}` : method
}

function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(3).padStart(9)
}

/** Control characters that would not show, or do something to a terminal, as dots. */
function readable(text: string): string {
  const bytes = Buffer.from(text, 'latin1').toString('utf8').replaceAll('\r\n', '\n')
  // oxlint-disable-next-line no-control-regex
  return bytes.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '.').trimEnd()
}
