// Before the answer: early media, forks with a dialog each, PRACK in order, and which description counts in the end.
import { describe, expect, it } from 'vitest'
import type { Field } from './compose.ts'
import { MAX_BRANCHES } from './branches.ts'
import type { CallOptions } from './outgoing-call.ts'
import { ALICE, BOB, SipWorld, only, sdp, types } from './testing.ts'
import type { HandDriven } from './testing.ts'

const reliable = (rseq: number): Field[] => [
  ['require', '100rel'],
  ['rseq', String(rseq)],
]

async function callPeer(more: Partial<CallOptions> = {}) {
  const w = new SipWorld()
  const alice = w.agent(ALICE)
  const peer = w.peer(BOB, (request, self) => {
    if (request.method !== 'ACK' && request.method !== 'INVITE') self.reply(request, 200)
  })
  const dialled = w.dial(alice, more)
  await w.clock.advance(20)
  return { w, alice, peer, ...dialled }
}

type World = Awaited<ReturnType<typeof callPeer>>

/** Sends a response to the INVITE and lets it arrive, with what follows. */
async function say(
  { w, peer }: World,
  status: number,
  parts: Parameters<HandDriven['reply']>[2] = {},
): Promise<void> {
  peer.reply(peer.last('INVITE'), status, parts)
  await w.clock.advance(30)
}

describe('early media', () => {
  it('comes with 183, and counts when the 200 brings no description', async () => {
    const p = await callPeer()
    await say(p, 183, { sdp: sdp('early') })
    await say(p, 180)
    await say(p, 200)
    expect(p.heard).toMatchObject([
      { type: 'trying' },
      { type: 'progress', sipCode: 183, sdp: sdp('early') },
      { type: 'progress', sipCode: 180, sdp: null },
      { type: 'answered', sdp: sdp('early') },
    ])
    p.call.hangUp()
    await p.w.settle()
  })

  it('gives way to the description of the 200', async () => {
    const p = await callPeer()
    await say(p, 183, { sdp: sdp('early') })
    await say(p, 200, { sdp: sdp('final') })
    expect(only(p.heard, 'answered')).toMatchObject([{ sdp: sdp('final') }])
    p.call.hangUp()
    await p.w.settle()
  })

  it('of one branch is not the answer of another', async () => {
    const p = await callPeer()
    await say(p, 183, { tag: 'one', sdp: sdp('one') })
    await say(p, 183, { tag: 'two', sdp: sdp('two') })
    expect(p.alice.dialogs).toBe(2)
    await say(p, 200, { tag: 'one' })
    expect(only(p.heard, 'answered')).toMatchObject([
      { sdp: sdp('one'), dialog: { remoteTag: 'one' } },
    ])
    expect(p.alice.dialogs).toBe(1)
    p.call.hangUp()
    await p.w.settle()
  })
})

describe('a fork', () => {
  it('that answers later is acknowledged and ended, above the CSeq of its PRACK', async () => {
    const p = await callPeer()
    await say(p, 183, { tag: 'late', fields: reliable(1), sdp: sdp('late') })
    await say(p, 200, { tag: 'first', sdp: sdp('first') })
    await say(p, 200, { tag: 'late', sdp: sdp('late') })
    expect(p.w.seen(/^ACK[^]*tag=late/).length).toBe(1)
    const [bye] = p.w.seen(/^BYE[^]*tag=late/)
    expect(bye).toMatch(/CSeq: 3 BYE/)
    expect(only(p.heard, 'answered').length).toBe(1)
    p.call.hangUp()
    await p.w.settle()
  })

  it('of more branches than are kept: all ring, and what is kept has a bound', async () => {
    const p = await callPeer()
    for (let i = 0; i < MAX_BRANCHES + 5; i++) await say(p, 180, { tag: `b${i}` })
    expect(only(p.heard, 'progress').length).toBe(MAX_BRANCHES + 5)
    expect(p.alice.dialogs).toBe(MAX_BRANCHES)
    await say(p, 486, { tag: 'b0' })
    expect(p.alice.dialogs).toBe(0)
    await p.w.settle()
  })

  it('given up before its answer: CANCEL, and a 200 that crosses it is ended', async () => {
    const p = await callPeer()
    await say(p, 180, { tag: 'one' })
    p.call.cancel()
    await say(p, 200, { tag: 'one', sdp: sdp('one') })
    expect(p.heard.at(-1)).toMatchObject({ type: 'failed', cause: 'cancelled' })
    expect(p.w.seen(/^BYE[^]*tag=one/).length).toBe(1)
    await p.w.settle()
  })

  it('answered after the call has failed: acknowledged and ended all the same', async () => {
    const p = await callPeer()
    await say(p, 180, { tag: 'one' })
    await say(p, 180, { tag: 'two' })
    p.call.cancel()
    await say(p, 200, { tag: 'one' })
    await say(p, 200, { tag: 'two' })
    expect(p.w.seen(/^BYE/).length).toBe(2)
    expect(types(p.heard).filter((type) => type === 'failed').length).toBe(1)
    await p.w.settle()
  })
})

describe('PRACK', () => {
  it('acknowledges each reliable response in order, and none twice', async () => {
    const p = await callPeer()
    await say(p, 183, { fields: reliable(7), sdp: sdp('early') })
    await say(p, 183, { fields: reliable(7), sdp: sdp('early') })
    await say(p, 180, { fields: reliable(9) })
    await say(p, 180, { fields: reliable(8) })
    expect(p.peer.requests.map(({ method }) => method)).toEqual(['INVITE', 'PRACK', 'PRACK'])
    const racks = p.peer.requests.slice(1).map(({ headers }) => headers.get('rack'))
    expect(racks).toEqual(['7 1 INVITE', '8 1 INVITE'])
    expect(only(p.heard, 'progress').map(({ sipCode }) => sipCode)).toEqual([183, 180])
    await say(p, 200)
    expect(only(p.heard, 'answered')).toMatchObject([{ sdp: sdp('early') }])
    p.call.hangUp()
    await p.w.settle()
  })

  it('settles the answer: another description in the 200 doesn’t count', async () => {
    const p = await callPeer()
    await say(p, 183, { fields: reliable(1), sdp: sdp('agreed') })
    await say(p, 200, { sdp: sdp('other') })
    expect(only(p.heard, 'answered')).toMatchObject([{ sdp: sdp('agreed') }])
    p.call.hangUp()
    await p.w.settle()
  })

  it('is not sent for a response that doesn’t ask for it', async () => {
    const p = await callPeer()
    await say(p, 183, { sdp: sdp('early'), fields: [['supported', '100rel']] })
    await say(p, 180, { fields: [['require', '100rel']] })
    expect(p.peer.count('PRACK')).toBe(0)
    p.call.cancel()
    await say(p, 487)
    await p.w.settle()
  })

  it('carries the answer to an offer that came reliably', async () => {
    const p = await callPeer({ sdp: null })
    await say(p, 183, { fields: reliable(1), sdp: sdp('their offer') })
    expect(p.peer.count('PRACK')).toBe(0)
    const [progress] = only(p.heard, 'progress')
    progress!.answer!(sdp('our answer'))
    await p.w.clock.advance(30)
    expect(p.peer.last('PRACK').body).toBe(sdp('our answer'))
    await say(p, 200)
    expect(only(p.heard, 'answered')).toMatchObject([{ sdp: sdp('their offer'), answer: null }])
    expect(p.peer.last('ACK').body).toBe('')
    p.call.hangUp()
    await p.w.settle()
  })

  it('carries credentials once the INVITE was challenged', async () => {
    const p = await callPeer({ credentials: { username: 'a', password: 'b' } })
    await say(p, 407, {
      fields: [['proxy-authenticate', 'Digest realm="r", nonce="n", qop="auth"']],
    })
    await say(p, 183, { fields: reliable(1) })
    expect(p.peer.last('PRACK').headers.get('proxy-authorization')).toContain('nc=00000002')
    await say(p, 200, { sdp: sdp('answer') })
    expect(p.peer.last('ACK').headers.get('proxy-authorization')).toContain('nc=00000001')
    p.call.hangUp()
    await p.w.settle()
  })
})

describe('a call without an offer of ours', () => {
  it('answers theirs in the ACK, which waits for it', async () => {
    const p = await callPeer({ sdp: null })
    await say(p, 200, { sdp: sdp('their offer') })
    expect(p.peer.count('ACK')).toBe(0)
    const [answered] = only(p.heard, 'answered')
    answered!.answer!(sdp('our answer'))
    answered!.answer!(sdp('another'))
    await say(p, 200, { sdp: sdp('their offer') })
    expect(p.w.seen(/^ACK/).map((text) => text.split('\r\n\r\n')[1])).toEqual(
      Array(2).fill(sdp('our answer')),
    )
    p.call.hangUp()
    await p.w.settle()
  })
})

describe('UPDATE before the answer', () => {
  it('changes what was agreed on reliably, and that counts at the answer', async () => {
    const p = await callPeer()
    await say(p, 183, { fields: reliable(1), sdp: sdp('first') })
    p.peer.ask(p.peer.last('INVITE'), 'UPDATE', 1, { sdp: sdp('second') })
    await p.w.clock.advance(30)
    only(p.heard, 'reoffer')[0]!.answer(sdp('ours'))
    await p.w.clock.advance(30)
    expect(p.peer.responses).toEqual(['200 UPDATE'])
    await say(p, 200)
    expect(only(p.heard, 'answered')).toMatchObject([{ sdp: sdp('second') }])
    p.call.hangUp()
    await p.w.settle()
  })

  it('that crosses our own offer is refused with 491', async () => {
    const p = await callPeer()
    await say(p, 180)
    p.peer.ask(p.peer.last('INVITE'), 'UPDATE', 1, { sdp: sdp('second') })
    await p.w.clock.advance(30)
    expect(p.peer.responses).toEqual(['491 UPDATE'])
    p.call.cancel()
    await say(p, 487)
    await p.w.settle()
  })
})
