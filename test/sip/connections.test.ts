// Foreign peers over connections: SIPp by TCP, baresip by TCP and TLS, calls both ways.
import { afterEach, describe, expect, it } from 'vitest'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import type { Hop, Protocol } from '../../packages/network/src/sip/hop.ts'
import { Agent, answering } from './agent.ts'
import { Baresip, baresipMissing } from './baresip.ts'
import { challengingCallee, sippMissing, startSipp } from './sipp.ts'
import { havePeer } from '../peers.ts'

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function owned<T extends { close: () => Promise<void> }>(made: T): T {
  closers.push(() => made.close())
  return made
}

describe.skipIf(!havePeer('test/sip/connections.test.ts (SIPp)', sippMissing))(
  'SIPp over TCP',
  () => {
    it('takes our credentials, and all calls over one connection', async () => {
      const calls = 5
      const sipp = owned(
        await startSipp(challengingCallee('agent', 'right'), calls, { protocol: 'TCP' }),
      )
      const us = owned(await Agent.open())
      const via: Hop = { address: sipp.address, port: sipp.port, protocol: 'TCP', serverName: null }
      for (let call = 0; call < calls; call++) {
        const events = await us.call(
          {
            to: `sip:+15555550123@${sipp.address}:${sipp.port};transport=tcp`,
            via,
            credentials: { username: 'agent', password: 'right' },
          },
          (event, call) => {
            if (event.type === 'answered') call.hangUp()
          },
        )
        expect(events.at(-1)).toMatchObject({ type: 'ended', by: 'local' })
      }
      expect(await sipp.done).toBe(0)
    })
  },
)

const NUMBER = '+15555550123'

describe.skipIf(!havePeer('test/sip/connections.test.ts (baresip)', baresipMissing))(
  'baresip',
  () => {
    const open = async (): Promise<Baresip> =>
      owned(await Baresip.start({ answer: 'auto', numbers: [NUMBER], toneHz: 0, tls: true }))

    function hopOf(peer: Baresip, protocol: Protocol): Hop {
      const secure = protocol === 'TLS'
      const port = secure ? peer.port + 1 : peer.port
      const serverName = secure ? 'carrier.example' : null
      return { address: peer.address, port, protocol, serverName }
    }

    it.each(['TCP', 'TLS'] as const)('is called over %s, and we hang up', async (protocol) => {
      const peer = await open()
      const us = owned(await Agent.open())
      const via = hopOf(peer, protocol)
      const to = `sip:${NUMBER}@${via.address}:${via.port};transport=${protocol.toLowerCase()}`
      const events = await us.call({ to, via }, (event, call) => {
        if (event.type === 'answered') call.hangUp()
      })
      expect(events.at(-1)).toMatchObject({ type: 'ended', by: 'local' })
      await peer.saw('CALL_ESTABLISHED')
      await peer.saw('CALL_CLOSED')
    })

    it.each(['TCP', 'TLS'] as const)('is called over %s, and hangs up', async (protocol) => {
      const peer = await open()
      const us = owned(await Agent.open())
      const via = hopOf(peer, protocol)
      const to = `sip:${NUMBER}@${via.address}:${via.port};transport=${protocol.toLowerCase()}`
      const ending = us.call({ to, via })
      await peer.saw('CALL_ESTABLISHED')
      await peer.command('hangup')
      expect((await ending).at(-1)).toMatchObject({ type: 'ended', by: 'remote' })
    })

    it.each(['TCP', 'TLS'] as const)('calls us over %s, and our BYE finds it', async (protocol) => {
      const peer = await open()
      const heard: CallEvent[] = []
      let over = (): void => {}
      const done = new Promise<void>((resolve) => {
        over = resolve
      })
      const us = owned(
        await Agent.open({
          onCall: answering((event, call) => {
            heard.push(event)
            if (event.type === 'confirmed') call.hangUp()
            if (event.type === 'ended') over()
          }),
        }),
      )
      const { port } = us.hop(protocol)
      await peer.command(
        'dial',
        `sip:+15555550001@127.0.0.1:${port};transport=${protocol.toLowerCase()}`,
      )
      await done
      await peer.saw('CALL_CLOSED')
      expect(heard.map(({ type }) => type).filter((type) => type !== 'dialog')).toEqual([
        'answered',
        'confirmed',
        'ended',
      ])
    })

    it('is not called over TLS when its certificate is for another name', async () => {
      const peer = await open()
      const us = owned(await Agent.open())
      const via = { ...hopOf(peer, 'TLS'), serverName: 'other.example' }
      const events = await us.call({ to: `sip:${NUMBER}@${via.address}:${via.port}`, via })
      expect(events.at(-1)).toMatchObject({
        type: 'failed',
        cause: 'transport',
        reason: { text: 'the peer’s certificate is not for other.example' },
      })
    })
  },
)
