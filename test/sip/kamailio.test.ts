// Kamailio as the carrier between two user agents of ours: challenges, recorded routes, and who ends the call.
import { SystemClock, silentLog, systemRandom } from '@saperly/kernel'
import { afterEach, describe, expect, it } from 'vitest'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import { udpHop } from '../../packages/network/src/sip/hop.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import type { UserAgentOptions } from '../../packages/network/src/sip/user-agent.ts'
import { Kamailio, kamailioMissing } from './kamailio.ts'
import { havePeer } from '../peers.ts'

const ready = havePeer('test/sip/kamailio.test.ts', kamailioMissing)
const ADDRESS = '127.0.0.1'
const CREDENTIALS = { username: 'agent', password: 'right' }

describe.skipIf(!ready)('Kamailio', () => {
  const closers: (() => Promise<void>)[] = []

  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  })

  async function openAgent(onCall: UserAgentOptions['onCall']): Promise<UserAgent> {
    const agent = new UserAgent({
      transport: await openUdp({ address: ADDRESS, port: 0 }),
      clock: new SystemClock(),
      random: systemRandom,
      log: silentLog,
      ...(onCall && { onCall }),
    })
    closers.push(() => agent.close())
    return agent
  }

  /** A call from us through Kamailio to us; whoever `endedBy` names hangs up. Gives the caller's events. */
  async function callThrough(options: {
    algorithm: 'MD5' | 'SHA-256'
    endedBy: 'caller' | 'callee'
    password?: string
  }): Promise<CallEvent[]> {
    const { algorithm, endedBy, password = CREDENTIALS.password } = options
    const callee = await openAgent((call) => {
      call.listen((event) => {
        if (event.type === 'confirmed' && endedBy === 'callee') call.hangUp()
      })
      call.ring()
      call.answer('v=0')
    })
    const carrier = await Kamailio.start({
      relayTo: udpHop(callee.address),
      digest: { ...CREDENTIALS, algorithm, inDialog: true },
    })
    closers.push(() => carrier.close())
    const caller = await openAgent(undefined)
    const events: CallEvent[] = []
    await new Promise<void>((resolve) => {
      const call = caller.call(
        {
          to: `sip:+15555550123@${ADDRESS}:${carrier.port}`,
          via: carrier.hop('UDP'),
          from: `sip:+15555550001@${ADDRESS}`,
          sdp: 'v=0',
          credentials: { ...CREDENTIALS, password },
        },
        (event) => {
          events.push(event)
          if (event.type === 'answered' && endedBy === 'caller') call.hangUp()
          if (event.type === 'ended' || event.type === 'failed') resolve()
        },
      )
    })
    return events
  }

  it.each(['MD5', 'SHA-256'] as const)(
    'takes our %s credentials, and we end the call',
    async (algorithm) => {
      const events = await callThrough({ algorithm, endedBy: 'caller' })
      expect(events.map(({ type }) => type)).toEqual(['trying', 'progress', 'answered', 'ended'])
      expect(events.at(-1)).toMatchObject({ by: 'local' })
      const answered = events.find((event) => event.type === 'answered')!
      expect(answered.dialog.routeSet.length).toBe(1)
    },
  )

  it('refuses wrong ones, and we say so', async () => {
    const events = await callThrough({ algorithm: 'SHA-256', endedBy: 'caller', password: 'wrong' })
    expect(events.at(-1)).toMatchObject({ type: 'failed', cause: 'refused', sipCode: 407 })
  })
})
