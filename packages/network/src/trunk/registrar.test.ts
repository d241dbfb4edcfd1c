// A trunk that registers with a registrar of its own kind: digest, refresh, failover, and calls to its Contact.
import { seededRandom } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { composeResponse } from '../sip/compose.ts'
import { DigestServer } from '../sip/digest-server.ts'
import { udpHop } from '../sip/hop.ts'
import { Headers } from '../sip/headers.ts'
import { parseMessage, serialise } from '../sip/message.ts'
import type { SipRequest, SipResponse } from '../sip/message.ts'
import { CARRIER_A, CARRIER_B, NODE, scriptedDns, trunk, world } from '../testing-node.ts'
import type { World } from '../testing-node.ts'
import { readAnswer } from './registrar.ts'

const OURS = 'sip:acme@127.0.0.1:5060'

function response(status: number, fields: [string, string][] = []): SipResponse {
  const headers = new Headers()
  for (const field of fields) headers.add(...field)
  return { kind: 'response', status, reason: '', headers, body: '' }
}

describe('what a registrar answers', () => {
  it.each([
    ['our Contact says it', [['contact', `<${OURS}>;expires=120`]], 120],
    ['beside others', [['contact', `<sip:x@y>;expires=9, <${OURS}>;q=1;expires=60`]], 60],
    ['rewritten by a NAT', [['contact', '<sip:acme@203.0.113.9:41000>;expires=45']], 45],
    [
      'Expires says it',
      [
        ['contact', `<${OURS}>`],
        ['expires', '300'],
      ],
      300,
    ],
    [
      'others only',
      [
        ['contact', '<sip:x@y>;expires=9, <sip:z@y>;expires=8'],
        ['expires', '70'],
      ],
      70,
    ],
    ['nothing is said', [], 600],
  ] as [string, [string, string][], number][])('granted: %s', (_, fields, expiresSec) => {
    const answer = readAnswer(response(200, fields), OURS, 600)
    expect(answer).toEqual({ kind: 'granted', expiresSec })
  })

  it('is a refusal when it grants nothing, but not when we leave', () => {
    const fields: [string, string][] = [['contact', `<${OURS}>;expires=0`]]
    expect(readAnswer(response(200, fields), OURS, 600)).toMatchObject({ kind: 'refused' })
    expect(readAnswer(response(200), OURS, 0)).toEqual({ kind: 'granted', expiresSec: 0 })
  })

  it('names how long at least, or how long to wait', () => {
    const brief = response(423, [['min-expires', '1800']])
    expect(readAnswer(brief, OURS, 60)).toEqual({ kind: 'tooBrief', minExpiresSec: 1800 })
    const busy = response(500, [['retry-after', '18 (in a meeting);duration=3600']])
    expect(readAnswer(busy, OURS, 60)).toEqual({ kind: 'refused', sipCode: 500, retryAfterSec: 18 })
    expect(readAnswer(response(423), OURS, 60)).toMatchObject({ kind: 'refused', sipCode: 423 })
  })
})

const register = { registrar: null, expiresSec: 600, aor: null }
const settings = { username: 'acme', password: 'secret', register, optionsIntervalSec: 0 }

/** A registrar at that address that asks for credentials and grants 100 s; `seen` are the REGISTERs that it took. */
function registrarAt(w: World, at: typeof NODE, password = 'secret') {
  const seen: SipRequest[] = []
  const digest = new DigestServer('carrier', w.clock, seededRandom(4))
  const transport = w.open(at)
  transport.receive((data, from) => {
    const parsed = parseMessage(data)
    if (!parsed.ok || parsed.value.kind !== 'request') return
    const request = parsed.value
    const verdict = digest.check(request, from.address, { username: 'acme', password })
    const fields = digest.challenge(request, from.address, verdict === 'stale')
    const contact = request.headers.get('contact')!
    const expires = Math.min(100, Number(request.headers.get('expires')))
    if (verdict === 'right') seen.push(request)
    const answer =
      verdict === 'right'
        ? composeResponse(request, 200, {
            toTag: 'r',
            fields: [['contact', `${contact};expires=${expires}`]],
          })
        : composeResponse(request, verdict === 'wrong' ? 403 : 401, { toTag: 'r', fields })
    transport.send(serialise(answer), from, () => {})
  })
  return seen
}

async function closed(w: World): Promise<void> {
  const closing = w.node.close()
  await w.clock.advance(10_000)
  await closing
  await w.finish()
}

describe('a trunk that registers', () => {
  it('is registered with digest, refreshed, and taken back at the end', async () => {
    const w = await world([trunk('pbx', CARRIER_A, settings)])
    const seen = registrarAt(w, CARRIER_A)
    expect(w.node.trunks).toMatchObject([{ registered: false }])
    await w.clock.advance(100)
    expect(w.node.trunks).toMatchObject([{ registered: true }])
    await w.clock.advance(1_000_000)
    expect(seen.length).toBeGreaterThan(10)
    expect(seen.length).toBeLessThan(16)
    expect(w.node.trunks).toMatchObject([{ registered: true }])

    const [first] = seen
    expect(first!.uri).toBe('sip:127.0.0.1')
    expect(first!.headers.get('to')).toBe('<sip:acme@127.0.0.1>')
    expect(first!.headers.get('contact')).toBe(`<${OURS}>`)
    expect(new Set(seen.map(({ headers }) => headers.get('call-id'))).size).toBe(1)
    const numbers = seen.map(({ headers }) => Number.parseInt(headers.get('cseq')!, 10))
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
    expect(seen.every(({ headers }) => !headers.write().includes('secret'))).toBe(true)

    await closed(w)
    expect(seen.at(-1)!.headers.get('expires')).toBe('0')
  })

  it('with a wrong password is not, and tries again at its leisure', async () => {
    const w = await world([trunk('pbx', CARRIER_A, settings)])
    const seen = registrarAt(w, CARRIER_A, 'another')
    await w.clock.advance(60_000)
    expect([seen, w.node.trunks]).toMatchObject([[], [{ registered: false }]])
    await closed(w)
  })

  it('goes on to the next host of its registrar when one is silent', async () => {
    const named = { ...settings, register: { ...register, registrar: 'reg.example.com' } }
    const w = await world([trunk('pbx', CARRIER_A, named)], undefined, {
      dns: scriptedDns({ '_sip._udp.reg.example.com': [CARRIER_A, CARRIER_B] }),
    })
    const seen = registrarAt(w, CARRIER_B)
    await w.clock.advance(40_000)
    expect(w.node.trunks).toMatchObject([{ registered: true }])
    expect(seen[0]!.uri).toBe('sip:reg.example.com')
    expect(seen[0]!.headers.get('from')).toContain('<sip:acme@reg.example.com>')
    await closed(w)
  })

  it('is called by its Contact; the number is in P-Called-Party-ID or To', async () => {
    const w = await world([trunk('pbx', CARRIER_A, settings)])
    registrarAt(w, CARRIER_A)
    await w.clock.advance(100)
    const pbx = w.agent(CARRIER_A, (call) => call.reject(486))
    const via = udpHop(NODE)
    const from = 'sip:+15555550177@x'
    const fields: [string, string][] = [['p-called-party-id', '<sip:+15555550002@x>']]
    for (const more of [fields, []])
      pbx.call({ to: OURS, via, from, sdp: null, fields: more }, () => {})
    pbx.call({ to: 'sip:15555550003@127.0.0.1', via, from, sdp: null }, () => {})
    await w.clock.advance(100)
    expect(w.events.map((event) => event.type === 'incoming' && event.to)).toEqual([
      '+15555550002',
      'acme',
      '+15555550003',
    ])
    for (const { callId } of w.events.slice()) w.node.post({ type: 'reject', callId, sipCode: 480 })
    await w.clock.advance(100)
    await closed(w)
  })

  it('says that it is gone within two seconds, also to a registrar that is', async () => {
    let silent = false
    const w = await world(
      [trunk('pbx', CARRIER_A, settings)],
      ({ to }) => silent && to.port === 7000,
    )
    registrarAt(w, CARRIER_A)
    await w.clock.advance(100)
    silent = true
    let over = false
    const closing = w.node.close().then(() => {
      over = true
    })
    await w.clock.advance(4_100)
    expect(over).toBe(true)
    await closing
    await w.finish()
  })
})
