// 3xx: whom a call goes to instead, in which order, and where it ends.
import { describe, expect, it } from 'vitest'
import type { Field } from './compose.ts'
import { udpHop } from './hop.ts'
import type { RedirectPolicy } from './redirects.ts'
import { ALICE, BOB, SipWorld, sdp, types } from './testing.ts'

const CAROL = udpHop({ address: '10.0.0.3', port: 5062 })
const anywhere: RedirectPolicy = { max: 5, allow: () => true }

/** Alice calls bob, who redirects; each target answers with the code that its user part begins with. */
async function redirected(policy: RedirectPolicy | undefined, ...contacts: string[]) {
  const w = new SipWorld()
  const alice = w.agent(ALICE)
  const targets: string[] = []
  const answer = (at: typeof BOB): void => {
    w.peer(at, (request, self) => {
      if (request.method === 'ACK') return
      if (request.method !== 'INVITE') return self.reply(request, 200)
      targets.push(request.uri)
      const status = Number(/^sip:(\d{3})/.exec(request.uri)?.[1] ?? 302)
      const fields: Field[] =
        status < 400 && status >= 300 ? [['contact', contacts.join(', ')]] : []
      self.reply(request, status, { fields, ...(status === 200 && { sdp: sdp('answer') }) })
    })
  }
  answer(BOB)
  answer(CAROL)
  const dialled = w.dial(alice, policy ? { redirects: policy } : {})
  await w.clock.advance(1000)
  const over = async (): Promise<void> => {
    dialled.call.hangUp()
    await w.settle()
  }
  return { w, targets, ...dialled, over }
}

describe('a 302', () => {
  it('is a refusal where nothing is said of redirections', async () => {
    const p = await redirected(undefined, '<sip:200@10.0.0.3:5062>')
    expect(p.heard.at(-1)).toMatchObject({ type: 'failed', cause: 'refused', sipCode: 302 })
    await p.over()
  })

  it('leads to its target, in the same call with another CSeq', async () => {
    const p = await redirected(anywhere, '<sip:200@10.0.0.3:5062>;q=0.5')
    expect(types(p.heard)).toEqual(['trying', 'answered'])
    expect(p.targets).toEqual(['sip:bob@10.0.0.2', 'sip:200@10.0.0.3:5062'])
    const second = p.w.seen(/^INVITE sip:200@/)[0]!
    expect(second).toContain('CSeq: 2 INVITE')
    expect(second).toContain('To: <sip:bob@10.0.0.2>\r\n')
    await p.over()
    expect(p.w.seen(/^BYE/).length).toBe(1)
  })

  it('names several: tried by preference, as long as they refuse', async () => {
    const p = await redirected(
      anywhere,
      '<sip:480c@10.0.0.3:5062>;q=0.3',
      '<sip:486a@10.0.0.3:5062>;q=0.9',
      '<sip:200@10.0.0.3:5062>;q=0.1',
      '<sip:404b@10.0.0.3:5062>;q=0.9',
      '<mailto:x@example.org>',
    )
    expect(p.targets.slice(1).map((uri) => uri.slice(4, 8))).toEqual([
      '486a',
      '404b',
      '480c',
      '200@',
    ])
    expect(types(p.heard)).toEqual(['trying', 'answered'])
    await p.over()
  })

  it('is not followed past a 6xx, beyond the number allowed, or to whom it may not', async () => {
    const six = await redirected(anywhere, '<sip:603a@10.0.0.3:5062>', '<sip:200@10.0.0.3:5062>')
    expect(six.heard.at(-1)).toMatchObject({ type: 'failed', sipCode: 603 })
    const many = await redirected(
      { max: 1, allow: () => true },
      '<sip:486a@10.0.0.3:5062>',
      '<sip:200@10.0.0.3:5062>',
    )
    expect(many.heard.at(-1)).toMatchObject({ type: 'failed', sipCode: 486 })
    const others = await redirected(
      { max: 5, allow: (uri) => uri.includes('10.0.0.2') },
      '<sip:200@10.0.0.3:5062>',
    )
    expect(others.heard.at(-1)).toMatchObject({ type: 'failed', sipCode: 302 })
    for (const p of [six, many, others]) await p.over()
  })

  it('that leads in a circle ends', async () => {
    const p = await redirected(anywhere, '<sip:302a@10.0.0.3:5062>', '<sip:bob@10.0.0.2>')
    expect(p.targets).toEqual(['sip:bob@10.0.0.2', 'sip:302a@10.0.0.3:5062'])
    expect(p.heard.at(-1)).toMatchObject({ type: 'failed', sipCode: 302 })
    await p.over()
  })

  it('can be given up at the target', async () => {
    const p = await redirected(anywhere, '<sip:180@10.0.0.3:5062>')
    expect(types(p.heard)).toEqual(['trying', 'progress'])
    p.call.cancel()
    await p.w.clock.advance(100)
    expect(p.w.seen(/^CANCEL sip:180@/).length).toBe(1)
    await p.over()
    expect(p.heard.at(-1)).toMatchObject({ type: 'failed', cause: 'cancelled' })
  })
})
