// Kamailio as the carrier between two user agents of ours: challenges, recorded routes, who ends the call, who is trusted.
import { afterEach, describe, expect, it } from 'vitest'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import type { Protocol } from '../../packages/network/src/sip/hop.ts'
import type { IncomingCall } from '../../packages/network/src/sip/incoming-call.ts'
import { Agent, answering } from './agent.ts'
import { STRANGER_CA } from './certificates.ts'
import { Kamailio, kamailioMissing } from './kamailio.ts'
import type { KamailioOptions } from './kamailio.ts'
import { havePeer } from '../peers.ts'

const ready = havePeer('test/sip/kamailio.test.ts', kamailioMissing)
const CREDENTIALS = { username: 'agent', password: 'right' }
/** The name on its certificate. */
const NAME = 'carrier.example'
const PROTOCOLS: Protocol[] = ['UDP', 'TCP', 'TLS']
const ALGORITHMS = ['MD5', 'SHA-256'] as const

type EndedBy = 'caller' | 'callee'

describe.skipIf(!ready)('Kamailio', () => {
  const closers: (() => Promise<void>)[] = []

  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  })

  function owned<T extends { close: () => Promise<void> }>(made: T): T {
    closers.push(() => made.close())
    return made
  }

  interface Outcome {
    caller: CallEvent[]
    callee: CallEvent[]
    /** The INVITE as it reached the callee. */
    invite: IncomingCall | null
  }

  /** A call from us by one protocol to Kamailio, and by another to us; both sides' events to the end. */
  async function callThrough(options: {
    by: Protocol
    on?: Protocol
    endedBy: EndedBy
    kamailio?: KamailioOptions
    password?: string
    serverName?: string
    ca?: string
    fields?: [string, string][]
  }): Promise<Outcome> {
    const { by, on = by, endedBy, password = CREDENTIALS.password, ca, fields = [] } = options
    const callee: CallEvent[] = []
    let invite: IncomingCall | null = null
    let calleeEnded = (): void => {}
    const ended = new Promise<void>((resolve) => {
      calleeEnded = resolve
    })
    const phone = owned(
      await Agent.open({
        onCall: (call) => {
          invite = call
          answering((event) => {
            callee.push(event)
            if (event.type === 'confirmed' && endedBy === 'callee') call.hangUp()
            if (event.type === 'ended') calleeEnded()
          })(call)
        },
      }),
    )
    const carrier = owned(await Kamailio.start({ relayTo: phone.hop(on), ...options.kamailio }))
    const us = owned(await Agent.open(ca === undefined ? {} : { ca }))
    const via = carrier.hop(by, by === 'TLS' ? (options.serverName ?? NAME) : null)
    const caller = await us.call(
      {
        to: `sip:+15555550123@${via.address}:${via.port};transport=${by.toLowerCase()}`,
        via,
        credentials: { ...CREDENTIALS, password },
        fields,
      },
      (event, call) => {
        if (event.type === 'answered' && endedBy === 'caller') call.hangUp()
      },
    )
    if (callee.length > 0) await ended
    return { caller, callee, invite }
  }

  const types = (events: CallEvent[]): string[] =>
    events.map(({ type }) => type).filter((type) => type !== 'dialog')

  describe.each(PROTOCOLS)('over %s', (by) => {
    it.each(ALGORITHMS)(
      'takes our %s credentials for the call and for its end',
      async (algorithm) => {
        const digest = { ...CREDENTIALS, algorithm, inDialog: true }
        const { caller, callee } = await callThrough({
          by,
          endedBy: 'caller',
          kamailio: { digest },
        })
        expect(types(caller)).toEqual(['trying', 'progress', 'answered', 'ended'])
        expect(types(callee)).toEqual(['answered', 'confirmed', 'ended'])
        expect(callee.at(-1)).toMatchObject({ by: 'remote' })
        const answered = caller.find((event) => event.type === 'answered')!
        expect(answered.dialog.routeSet.join()).toContain(
          by === 'UDP' ? ';lr' : `transport=${by.toLowerCase()}`,
        )
      },
    )

    it('leads the callee’s BYE back by the route that it recorded', async () => {
      const { caller, callee } = await callThrough({ by, endedBy: 'callee' })
      expect(types(callee)).toEqual(['answered', 'confirmed', 'ended'])
      expect(caller.at(-1)).toMatchObject({ type: 'ended', by: 'remote' })
    })
  })

  it.each<[Protocol, Protocol, EndedBy]>([
    ['UDP', 'TLS', 'caller'],
    ['TLS', 'UDP', 'callee'],
    ['TCP', 'UDP', 'caller'],
    ['TLS', 'TCP', 'caller'],
  ])('joins %s and %s, and the %s ends the call', async (by, on, endedBy) => {
    const { caller, callee } = await callThrough({ by, on, endedBy })
    expect(types(caller).at(-1)).toBe('ended')
    expect(types(callee).at(-1)).toBe('ended')
    const answered = caller.find((event) => event.type === 'answered')!
    expect(answered.dialog.routeSet.length).toBe(2)
  })

  it('refuses wrong credentials, and we say so', async () => {
    const digest = { ...CREDENTIALS, algorithm: 'SHA-256' } as const
    const { caller } = await callThrough({
      by: 'UDP',
      endedBy: 'caller',
      kamailio: { digest },
      password: 'wrong',
    })
    expect(caller.at(-1)).toMatchObject({ type: 'failed', cause: 'refused', sipCode: 407 })
  })

  it('says no with 503', async () => {
    const { caller } = await callThrough({
      by: 'TCP',
      endedBy: 'caller',
      kamailio: { refuses: 503 },
    })
    expect(caller.at(-1)).toMatchObject({ type: 'failed', cause: 'refused', sipCode: 503 })
  })

  it('gets a large INVITE over TCP, although the trunk is UDP', async () => {
    const fields: [string, string][] = [['x-large', 'x'.repeat(1500)]]
    const { caller, invite } = await callThrough({ by: 'UDP', endedBy: 'caller', fields })
    expect(types(caller).at(-1)).toBe('ended')
    expect(invite!.request.headers.list('via').at(-1)).toContain('SIP/2.0/TCP')
  })

  describe('is not called over TLS', () => {
    it.each<[string, Parameters<typeof callThrough>[0], string]>([
      [
        'when its certificate is for another name',
        { by: 'TLS', endedBy: 'caller', serverName: 'sip.other.example' },
        'the peer’s certificate is not for sip.other.example',
      ],
      [
        'when its certificate is signed by a stranger',
        { by: 'TLS', endedBy: 'caller', kamailio: { certificate: 'stranger' } },
        'the peer’s certificate is signed by nobody whom we trust',
      ],
      [
        'when we trust another CA',
        { by: 'TLS', endedBy: 'caller', ca: STRANGER_CA },
        'the peer’s certificate is signed by nobody whom we trust',
      ],
    ])('%s', async (_, options, text) => {
      const { caller, invite } = await callThrough(options)
      expect(types(caller)).toEqual(['failed'])
      expect(caller[0]).toMatchObject({ cause: 'transport', sipCode: null, reason: { text } })
      expect(invite).toBeNull()
    })
  })

  it('takes our certificate where it asks for one', async () => {
    const { caller } = await callThrough({
      by: 'TLS',
      endedBy: 'caller',
      kamailio: { wantsClientCertificate: true },
    })
    expect(types(caller).at(-1)).toBe('ended')
  })
})
