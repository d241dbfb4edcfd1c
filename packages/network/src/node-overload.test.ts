// A node whose media is overloaded takes no call more, and says when to come again.
import { expect, it } from 'vitest'
import type { CallEvent } from './sip/call-event.ts'
import { udpHop } from './sip/hop.ts'
import { last, NODE, PHONE, world } from './testing-node.ts'

it('refuses calls both ways while its media is overloaded, and takes them again after', async () => {
  const refusals: string[] = []
  const w = await world([], ({ text }) => {
    if (text.startsWith('SIP/2.0 503')) refusals.push(text)
    return false
  })
  const phone = w.agent(PHONE, (call) => call.ring())
  const heard: CallEvent[] = []
  const callIn = (): void =>
    void phone.call(
      {
        to: `sip:+15555550001@${NODE.address}:${NODE.port}`,
        via: udpHop(NODE),
        from: `sip:+15555550123@${PHONE.address}:${PHONE.port}`,
        displayName: null,
        sdp: 'v=0',
        credentials: null,
        silenceMs: 3000,
      },
      (event) => heard.push(event),
    )
  w.media.load = { workers: [], overloaded: true }
  w.dial()
  callIn()
  await w.clock.advance(1000)
  expect(last(w)).toMatchObject({ type: 'ended', cause: 'carrier_refused' })
  expect(w.types()).not.toContain('incoming')
  expect(heard.at(-1)).toMatchObject({ type: 'failed', sipCode: 503 })
  expect(refusals[0]).toMatch(/\r\nretry-after: 10\r\n/i)

  w.media.load = { workers: [], overloaded: false }
  callIn()
  await w.clock.advance(1000)
  expect(w.types()).toContain('incoming')
  w.node.post({ type: 'reject', callId: last(w).callId, sipCode: 486 })
  await w.finish()
})
