// Asks a SIP peer whether it is there: one OPTIONS by UDP, as often as it takes within the time limit.
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'

const FIRST_RESEND_MS = 500
const MAX_ANSWER_BYTES = 65_535

export interface SipPeer {
  host: string
  port: number
}

/** `host:port` of a trunk; the port is 5060 where it names none. */
export function peerOf(address: string): SipPeer {
  const [host = '', port = '5060'] = address.split(':')
  return { host, port: Number(port) }
}

/** The status line of the answer, or null when none came within `limitMs`. Any answer shows that somebody is there. */
export async function askOptions(
  peer: SipPeer,
  localHost: string,
  limitMs: number,
): Promise<string | null> {
  const socket = createSocket('udp4')
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    return await new Promise<string | null>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('message', (answer) => {
        const [line = ''] = answer.subarray(0, MAX_ANSWER_BYTES).toString('latin1').split('\r\n')
        if (line.startsWith('SIP/2.0 ')) resolve(line.slice('SIP/2.0 '.length))
      })
      socket.bind(0, localHost, () => {
        const request = optionsRequest(peer, socket.address())
        const deadline = Date.now() + limitMs
        const send = (waitMs: number): void => {
          if (Date.now() >= deadline) return resolve(null)
          socket.send(request, peer.port, peer.host, (error) => error && reject(error))
          timer = setTimeout(() => send(waitMs * 2), Math.min(waitMs, deadline - Date.now()))
        }
        send(FIRST_RESEND_MS)
      })
    })
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}

/** RFC 3261, section 11.1. */
function optionsRequest(peer: SipPeer, local: { address: string; port: number }): string {
  const here = `${local.address}:${local.port}`
  const token = (): string => randomBytes(8).toString('hex')
  return [
    `OPTIONS sip:${peer.host}:${peer.port} SIP/2.0`,
    `Via: SIP/2.0/UDP ${here};branch=z9hG4bK${token()};rport`,
    'Max-Forwards: 70',
    `From: <sip:saperly@${here}>;tag=${token()}`,
    `To: <sip:${peer.host}:${peer.port}>`,
    `Call-ID: ${token()}@${local.address}`,
    'CSeq: 1 OPTIONS',
    `Contact: <sip:saperly@${here}>`,
    'Accept: application/sdp',
    'User-Agent: saperly doctor',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
}
