// A machine answers, over real SIP and RTP: what each policy makes of it, and what the recording of the machine holds.
import { silentLog } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSpeechService } from '../packages/network/src/speech/service.ts'
import type { SpeechService } from '../packages/network/src/speech/port.ts'
import { heardIn, over, recordingOf, turnsOf, utterancesIn } from './recording.ts'
import { openWorld, SocketBrain, type World } from './world.ts'

const VOICEMAIL = '+15555550106'
const DISCLOSURE = 'This is an assistant.'
const MESSAGE = 'Your order is ready.'

// oxlint-disable-next-line typescript/no-explicit-any
type Respond = (event: any) => Record<string, unknown>[] | null

/** A call to the voicemail: its end, what the brain was told, and the recording. */
async function call(world: World, settings: Record<string, unknown>, answer: Respond) {
  const { api } = world
  const line = await api.line({
    recordingEnabled: true,
    complianceEnabled: true,
    disclosure: DISCLOSURE,
    ...settings,
  })
  await api.consent(line.numberId, VOICEMAIL)
  const brain = await SocketBrain.connect(world.url, line, answer)
  const placed = await api.post('/calls', { fromNumberId: line.numberId, to: VOICEMAIL })
  expect(placed.status).toBe(201)
  const ended = await over(world, placed.body.id)
  await brain.close()
  const { body: events } = await api.get(`/calls/${ended.id}/events?limit=100`)
  const machine = events.filter(({ type }: { type: string }) => type === 'machine')
  return {
    ended,
    brain,
    turns: await turnsOf(world, ended.id),
    verdicts: machine.map(({ data }: { data: { verdict: string } }) => data.verdict),
    ...(await recordingOf(world, ended.id)),
  }
}

/** When the beep of the voicemail ends in its channel, in samples: the last thing that it says. */
function beepEndOf(channel: Int16Array): number {
  const last = utterancesIn(channel).at(-1)
  expect(last).toBeDefined()
  return last!.to
}

const leaves: Respond = ({ type }) =>
  type === 'outbound_call' ? [{ type: 'speak', text: MESSAGE }, { type: 'hangup' }] : null

describe.concurrent('with tones', { timeout: 60_000 }, () => {
  let world: World
  let speech: SpeechService

  beforeAll(async () => {
    world = await openWorld({ environment: { SPEECH_ENGINE: 'tone' } })
    speech = await createSpeechService('tone', { log: silentLog })
  })
  afterAll(async () => {
    await speech.close()
    await world.close()
  })

  test('wait_for_beep: nothing but the disclosure over the greeting; after the beep all of it', async () => {
    const { ended, brain, turns, verdicts, left, right } = await call(
      world,
      { machinePolicy: 'wait_for_beep' },
      leaves,
    )
    expect(verdicts).toEqual(['machine', 'beep'])
    expect(brain.of('machine').map(({ verdict }) => verdict)).toEqual(['machine', 'beep'])
    expect(ended).toMatchObject({ status: 'completed', hangupCause: 'agent_hangup' })
    const ours = turns.filter(({ role }) => role !== 'caller')
    expect(ours.map(({ role, heardText }) => [role, heardText])).toEqual([
      ['disclosure', DISCLOSURE],
      ['disclosure', DISCLOSURE],
      ['agent', MESSAGE],
    ])
    // What the machine has recorded, from its beep on.
    const recorded = right.subarray(beepEndOf(left))
    expect((await heardIn(speech, recorded)).join(' ')).toBe(`${DISCLOSURE} ${MESSAGE}`)
    // The greeting was no question to the brain.
    expect(brain.of('turn')).toEqual([])
  })

  test('hangup: the call ends when the machine is known, before its beep', async () => {
    const { ended, brain, verdicts, turns } = await call(
      world,
      { machinePolicy: 'hangup', complianceEnabled: false },
      () => [{ type: 'wait_for_user' }],
    )
    expect(verdicts).toEqual(['machine'])
    expect(ended).toMatchObject({ status: 'completed', hangupCause: 'machine' })
    expect(brain.of('call_ended')).toMatchObject([{ hangupCause: 'machine' }])
    expect(turns.filter(({ role }) => role !== 'caller')).toEqual([])
  })

  test('ignore: the brain is told, and decides; the recording has the disclosure', async () => {
    let greeted = false
    const { ended, brain, verdicts, left, right } = await call(
      world,
      { machinePolicy: 'ignore' },
      ({ type, verdict }) => {
        greeted ||= verdict === 'beep'
        return type === 'silence' && greeted
          ? [{ type: 'hangup' }]
          : [{ type: 'wait_for_user', timeoutSec: 4 }]
      },
    )
    expect(verdicts).toEqual(['machine', 'beep'])
    expect(ended).toMatchObject({ status: 'completed', hangupCause: 'agent_hangup' })
    expect(brain.of('turn').length).toBeGreaterThan(0)
    expect(await heardIn(speech, right.subarray(beepEndOf(left)))).toEqual([DISCLOSURE])
  })

  test('a person is no machine: speech waits for the verdict, and no longer', async () => {
    const { api } = world
    const to = '+15555550123'
    const line = await api.line({ machinePolicy: 'wait_for_beep' })
    await api.consent(line.numberId, to)
    const brain = await SocketBrain.connect(world.url, line, ({ type }) => {
      if (type === 'outbound_call') return [{ type: 'speak', text: 'Good morning.' }]
      return type === 'turn' ? [{ type: 'hangup' }] : null
    })
    const { body } = await api.post('/calls', { fromNumberId: line.numberId, to })
    const ended = await over(world, body.id)
    await brain.close()
    expect(ended).toMatchObject({ status: 'completed', hangupCause: 'agent_hangup' })
    expect(brain.of('machine').map(({ verdict }) => verdict)).toEqual(['human'])
    const turns = await turnsOf(world, ended.id)
    expect(turns.find(({ role }) => role === 'agent')).toMatchObject({ text: 'Good morning.' })
  })

  test('a call that comes in is never judged', async () => {
    const { api } = world
    const line = await api.line({ machinePolicy: 'hangup' })
    const brain = await SocketBrain.connect(world.url, line, ({ type }) =>
      type === 'silence' ? [{ type: 'hangup' }] : [{ type: 'wait_for_user', timeoutSec: 6 }],
    )
    const request = { from: '+15555550177', toNumberId: line.numberId, script: 'voicemail' }
    const { body } = await api.post('/sandbox/calls', request)
    const ended = await over(world, body.id)
    await brain.close()
    expect(ended.hangupCause).toBe('agent_hangup')
    expect(brain.of('machine')).toEqual([])
  })
})

describe('with voices', { timeout: 90_000 }, () => {
  test('wait_for_beep: greeting, beep, message', async () => {
    const world = await openWorld({ environment: { SPEECH_ENGINE: 'embedded' } })
    const { ended, turns, verdicts, left, right } = await call(
      world,
      { machinePolicy: 'wait_for_beep' },
      leaves,
    )
    await world.close()
    expect(verdicts).toEqual(['machine', 'beep'])
    expect(ended).toMatchObject({ status: 'completed', hangupCause: 'agent_hangup' })
    const ours = turns.filter(({ role }) => role !== 'caller')
    expect(ours.map(({ heardText }) => heardText)).toEqual([DISCLOSURE, DISCLOSURE, MESSAGE])
    const speech = await createSpeechService('embedded', { log: silentLog })
    const whole = `${DISCLOSURE} ${MESSAGE}`
    const phrases = [whole, `${MESSAGE} ${DISCLOSURE}`, DISCLOSURE, MESSAGE]
    expect(await heardIn(speech, right.subarray(beepEndOf(left)), phrases)).toEqual([whole])
    await speech.close()
  })
})
