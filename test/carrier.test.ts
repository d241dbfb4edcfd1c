// A live call over a trunk to a foreign stack: baresip answers, speaks, presses digits, and follows a transfer.
import { writeFile, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readWav } from '../packages/network/src/record/wav.ts'
import { renderTones } from '../packages/network/src/speech/tone.ts'
import { ToneDecoder } from '../packages/network/src/speech/tone-decoder.ts'
import { Baresip, baresipMissing, type BaresipOptions } from './sip/baresip.ts'
import { ApiClient, openWorld, SocketBrain, type World } from './world.ts'
import { havePeer } from './peers.ts'

const FRAME_SAMPLES = 160
const KEY = 'sk_live_0123456789abcdef0123456789abcdef'
const OURS = '+15550009999'
const PEER = '+15550001111'
const OTHER = '+15550002222'

const ready = havePeer('test/carrier.test.ts', baresipMissing)
/** Everything that tones say in these samples (at most a minute), in order. */
function spokenIn(samples: Int16Array): string {
  const decoder = new ToneDecoder()
  for (let at = 0; at + FRAME_SAMPLES <= samples.length; at += FRAME_SAMPLES) {
    decoder.write(samples.subarray(at, at + FRAME_SAMPLES))
  }
  return decoder.finish().text
}

describe.skipIf(!ready)('over a trunk', () => {
  let world: World
  let peer: Baresip
  let api: ApiClient
  let numberId = ''
  let brain: SocketBrain
  let answer: (event: { type: string }) => Record<string, unknown>[] | null = () => null

  async function open(
    options: Partial<BaresipOptions> = {},
    settings: Record<string, unknown> = {},
  ): Promise<void> {
    peer = await Baresip.start({ answer: 'auto', numbers: [PEER, OTHER], toneHz: 0, ...options })
    const dataDir = await mkdtemp(join(tmpdir(), 'saperly-carrier-'))
    await writeFile(
      join(dataDir, 'saperly.config.json'),
      JSON.stringify({
        trunks: [{ name: 'carrier', address: `127.0.0.1:${peer.port}` }],
        rates: [{ prefix: '+1', manualCentsPerMin: 13, hostedCentsPerMin: 26 }],
      }),
    )
    world = await openWorld({ dataDir, environment: { SAPERLY_ROOT_KEY: KEY, SIP_PORT: '0' } })
    api = new ApiClient(world.url, KEY)
    const connection = await api.post('/connections', {
      name: 'carrier',
      mode: 'manual',
      complianceEnabled: false,
      recordingEnabled: true,
      ...settings,
    })
    const { id: connectionId, manualSecret: secret } = connection.body
    numberId = `num_${'0'.repeat(24)}`
    await world.server.store.tables.numbers.insert({
      workspaceId: 'ws_default',
      environment: 'live',
      id: numberId,
      phoneNumber: OURS,
      connectionId,
      webhookUrl: null,
      smsSenderId: null,
      callerIdName: null,
      country: 'US',
      numberType: 'local',
      monthlyPriceCents: 0,
      nextChargeAt: null,
      releasedAt: null,
      createdAt: 0,
    })
    await api.consent(numberId, PEER)
    brain = await SocketBrain.connect(world.url, { connectionId, secret }, (event) => answer(event))
  }

  beforeEach(() => {
    answer = () => null
  })
  afterEach(async () => {
    await brain.close()
    await world.close()
    await peer.close()
  })

  const place = async (): Promise<string> => {
    const placed = await api.post('/calls', { fromNumberId: numberId, to: PEER })
    expect(placed.status).toBe(201)
    return placed.body.id
  }

  test('speech goes both ways, digits arrive, the recording holds both sides', async () => {
    const said = ['This is the first answer.', 'And this is the second.']
    let turns = 0
    answer = ({ type }) =>
      type === 'outbound_call' || (type === 'turn' && turns < 1)
        ? [{ type: 'speak', text: said[type === 'turn' ? ++turns : 0] }]
        : null
    const settings = { turnTaking: { silenceTimeoutSec: 8 } }
    // Its words come when the first answer is over: what is tried here is not the interruption.
    const words = renderTones('Yes, please go on.').pcm
    const speech = new Int16Array(5 * 8000 + words.length)
    speech.set(words, 5 * 8000)
    await open({ speech }, settings)
    const callId = await place()
    await world.until('the turn', async () => brain.of('turn').length > 0)
    expect(brain.of('turn')[0].text).toBe('Yes, please go on.')
    await world.until('both answers to be spoken', async () => {
      const { body } = await api.get(`/calls/${callId}/transcript`)
      return body.turns.filter(({ role }: { role: string }) => role === 'agent').length === 2
    })
    await peer.command('sndcode', '5')
    await world.until('the digit', async () => brain.of('dtmf').length > 0)
    expect(brain.of('dtmf')[0].digits).toBe('5')

    const { body: ended } = await api.post(`/calls/${callId}/end`)
    expect(ended).toMatchObject({ status: 'completed', hasRecording: true, recognizer: 'free' })
    await peer.saw('CALL_CLOSED')
    const heard = await peer.heard()
    expect(spokenIn(heard)).toBe(said.join(' '))

    const link = await api.get(`/calls/${callId}/recording`)
    expect(link.status).toBe(302)
    const bytes = await (await fetch(link.headers.get('location')!)).arrayBuffer()
    const wav = readWav(Buffer.from(bytes))!
    expect(spokenIn(wav.right)).toBe(said.join(' '))
    expect(spokenIn(wav.left)).toBe('Yes, please go on.')
    const recordedSec = wav.left.length / 8000
    expect(Math.abs(recordedSec - ended.durationSec)).toBeLessThanOrEqual(1.5)
  })

  test('a call is transferred to a number and to a SIP URI; the bill ends with it', async () => {
    await open()
    for (const to of [OTHER, `sip:${OTHER}@127.0.0.1:${peer.port}`]) {
      const callId = await place()
      await world.until('the answer', async () => {
        const { body } = await api.get(`/calls/${callId}`)
        return body.phase === 'connected'
      })
      const transferred = await api.post(`/calls/${callId}/transfer`, { to })
      expect(transferred.status).toBe(200)
      const final = await api.final(callId)
      expect([final.status, final.hangupCause]).toEqual(['completed', 'transferred'])
    }
  })

  test('a target that is not on the list is refused, and the brain is told', async () => {
    answer = ({ type }) => (type === 'outbound_call' ? [{ type: 'transfer', to: OTHER }] : null)
    await open({}, { callControl: { transfer: { targets: ['+15550003333'] } } })
    const callId = await place()
    await world.until('the refusal', async () => brain.of('error').length > 0)
    expect(brain.of('error')[0]._tag).toBe('InvalidDirective')
    const { body } = await api.get(`/calls/${callId}`)
    expect(body.phase).toBe('connected')
    await api.post(`/calls/${callId}/end`)
  })

  test('no consent, no packet', async () => {
    await open()
    const refused = await api.post('/calls', { fromNumberId: numberId, to: OTHER })
    expect([refused.status, refused.body._tag]).toEqual([403, 'ConsentRequired'])
    await api.post('/consent/revoke', { numberId, peerNumber: PEER })
    const again = await api.post('/calls', { fromNumberId: numberId, to: PEER })
    expect([again.status, again.body._tag]).toEqual([403, 'ConsentRequired'])
    expect(peer.events.filter(({ type }) => type?.startsWith('CALL'))).toEqual([])
    // A transaction may be under way: the trunk is asked whether it is there.
    const { counts } = world.server.network as unknown as { counts: Record<string, number> }
    expect(counts).toMatchObject({ legs: 0, dialogs: 0 })
  })

  test('an inbound call reaches the connection and implies consent', async () => {
    answer = ({ type }) => (type === 'inbound_call' ? [{ type: 'speak', text: 'Hello.' }] : null)
    await open()
    const { address, port } = (
      world.server.network as unknown as { address: { address: string; port: number } }
    ).address
    await peer.command('dial', `sip:${OURS}@${address}:${port}`)
    await world.until('the inbound call', async () => brain.of('inbound_call').length > 0)
    const { callId } = brain.of('inbound_call')[0]
    const check = await api.get(
      `/consent/check?numberId=${numberId}&peerNumber=${encodeURIComponent(PEER)}`,
    )
    expect(check.body.hasConsent).toBe(true)
    const ended = await api.post(`/calls/${callId}/end`)
    expect(ended.body).toMatchObject({ direction: 'inbound', status: 'completed' })
  })
})
