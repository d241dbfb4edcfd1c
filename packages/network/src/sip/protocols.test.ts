// Whole calls between two user agents of ours over every protocol and both families, on real sockets.
import { SystemClock, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { CA, certificate } from '../../../../test/sip/certificates.ts'
import type { CallEvent } from './call-event.ts'
import { formatEndpoint } from './hop.ts'
import type { Hop, Protocol } from './hop.ts'
import type { IncomingCall } from './incoming-call.ts'
import { Negotiation } from './negotiation.ts'
import { DEFAULT_TLS_CLIENT } from './tls.ts'
import { openTransports } from './transports.ts'
import type { Transport } from './transport.ts'
import { UserAgent } from './user-agent.ts'

interface Side {
  ua: UserAgent
  transport: Transport
  clock: SystemClock
}

async function open(
  address: string,
  seed: number,
  onCall?: (call: IncomingCall) => void,
): Promise<Side> {
  const clock = new SystemClock()
  const server = { ...certificate('node'), clientCa: null, minVersion: 'TLSv1.2' } as const
  const transport = await openTransports({
    bind: { address, port: 0 },
    clock,
    log: silentLog,
    tls: { port: 0, server, client: () => ({ ...DEFAULT_TLS_CLIENT, ca: CA }) },
  })
  const parts = { transport, clock, random: seededRandom(seed), log: silentLog }
  return { ua: new UserAgent({ ...parts, ...(onCall && { onCall }) }), transport, clock }
}

function negotiation(address: string): Negotiation {
  return new Negotiation({ address, port: 20_000, codecs: ['PCMU'], random: seededRandom(1) })
}

const ADDRESSES = ['127.0.0.1', '::1']
const PROTOCOLS: Protocol[] = ['UDP', 'TCP', 'TLS']

describe.each(
  ADDRESSES.flatMap((address) => PROTOCOLS.map((protocol) => [protocol, address] as const)),
)('%s at %s', (protocol, address) => {
  it.each(['caller', 'callee'] as const)(
    'a call is placed, changed, and ended by the %s',
    async (endedBy) => {
      const heard: CallEvent[] = []
      let invite: IncomingCall | null = null
      let calleeOver = (): void => {}
      const over = new Promise<void>((resolve) => {
        calleeOver = resolve
      })
      const bob = await open(address, 2, (call) => {
        invite = call
        call.listen((event) => {
          heard.push(event)
          if (event.type === 'reoffer') event.answer(negotiation(address).offer())
          if (event.type === 'ended') calleeOver()
        })
        call.ring()
        const answer = negotiation(address).answer(call.sdp!)
        if (answer.ok) call.answer(answer.value.sdp)
      })
      const alice = await open(address, 1)
      const via: Hop = { ...bob.transport.at(protocol)!, protocol, serverName: null }
      const events: CallEvent[] = []
      await new Promise<void>((resolve) => {
        const call = alice.ua.call(
          {
            to: `sip:bob@${formatEndpoint(via)}`,
            via,
            from: 'sip:alice@example.com',
            sdp: negotiation(address).offer(),
          },
          (event) => {
            events.push(event)
            if (event.type === 'answered')
              queueMicrotask(() => call.session!.reinvite(negotiation(address).offer()))
            if (event.type === 'reinvited' && endedBy === 'caller') call.hangUp()
            if (event.type === 'reinvited' && endedBy === 'callee') invite!.hangUp()
            if (event.type === 'ended') resolve()
          },
        )
      })
      await over
      const { headers } = invite!.request
      const own = formatEndpoint(alice.transport.at(protocol)!)
      expect(headers.get('via')).toContain(`SIP/2.0/${protocol} ${own};`)
      expect(headers.get('contact')).toBe(
        `<sip:saperly@${own}${protocol === 'UDP' ? '' : `;transport=${protocol.toLowerCase()}`}>`,
      )
      expect(invite!.sdp).toContain(`c=IN ${address === '::1' ? 'IP6' : 'IP4'} ${address}\r\n`)
      expect(events.find(({ type }) => type === 'reinvited')).toMatchObject({ sipCode: 200 })
      expect(events.at(-1)).toMatchObject({
        type: 'ended',
        by: endedBy === 'caller' ? 'local' : 'remote',
      })
      await Promise.all([alice.ua.close(), bob.ua.close()])
      const left = [alice.ua.transactions, alice.ua.dialogs, bob.ua.transactions, bob.ua.dialogs]
      expect([...left, alice.clock.pending(), bob.clock.pending()]).toEqual([0, 0, 0, 0, 0, 0])
    },
  )
})

it('a socket for every address takes IPv4 as well as IPv6, and answers both', async () => {
  const both = await open('::', 3)
  const { port } = both.transport.local
  for (const address of ADDRESSES) {
    const peer = await open(address, 4)
    for (const protocol of ['UDP', 'TCP'] as const) {
      const code = await new Promise((resolve) => {
        peer.ua.options('sip:both', { address, port, protocol, serverName: null }, resolve)
      })
      expect(code).toBe(200)
      const back: Hop = { ...peer.transport.at(protocol)!, protocol, serverName: null }
      const answered = await new Promise((resolve) => both.ua.options('sip:peer', back, resolve))
      expect(answered).toBe(200)
    }
    await peer.ua.close()
  }
  await both.ua.close()
})
