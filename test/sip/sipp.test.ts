// SIPp as the callee: it checks our digest by its own arithmetic.
import { SystemClock, silentLog, systemRandom } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import { Negotiation } from '../../packages/network/src/sip/negotiation.ts'
import { udpHop } from '../../packages/network/src/sip/hop.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import { challengingCallee, sippMissing, startSipp } from './sipp.ts'
import { havePeer } from '../peers.ts'

const ready = havePeer('test/sip/sipp.test.ts', sippMissing)
describe.skipIf(!ready)('SIPp', () => {
  async function callWith(password: string): Promise<{ last: CallEvent; exitCode: number }> {
    const sipp = await startSipp(challengingCallee('agent', 'right'), 1)
    const clock = new SystemClock()
    const ua = new UserAgent({
      transport: await openUdp({ address: '127.0.0.1', port: 0 }),
      clock,
      random: systemRandom,
      log: silentLog,
    })
    const side = { address: '127.0.0.1', port: 29_994, codecs: ['PCMU'] as const }
    const last = await new Promise<CallEvent>((resolve) => {
      const call = ua.call(
        {
          to: `sip:+15555550123@127.0.0.1:${sipp.port}`,
          via: udpHop(sipp),
          from: 'sip:+15555550001@127.0.0.1',
          sdp: new Negotiation({ ...side, random: systemRandom }).offer(),
          credentials: { username: 'agent', password },
        },
        (event) => {
          if (event.type === 'answered') call.hangUp()
          if (event.type === 'ended' || event.type === 'failed') resolve(event)
        },
      )
    })
    const exitCode = await sipp.done
    await ua.close()
    await sipp.close()
    return { last, exitCode }
  }

  it('accepts our credentials', async () => {
    const { last, exitCode } = await callWith('right')
    expect(last).toMatchObject({ type: 'ended', by: 'local' })
    expect(exitCode).toBe(0)
  })

  it('refuses wrong ones, and we say so', async () => {
    const { last } = await callWith('wrong')
    expect(last).toMatchObject({ type: 'failed', cause: 'refused', sipCode: 403 })
  })
})
