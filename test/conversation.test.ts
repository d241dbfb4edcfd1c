// Conversations over real SIP and RTP: what one side says as text, the other hears as text, and the recording proves it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SAMPLE_RATE } from '../packages/network/src/speech/pcm.ts'
import type { SpeechEngine, SpeechService } from '../packages/network/src/speech/port.ts'
import { createSpeechService } from '../packages/network/src/speech/service.ts'
import { heardIn, over, recordingOf, type Turn, turnsOf } from './recording.ts'
import { openWorld, SocketBrain, type World } from './world.ts'

/** A world whose phones have these scripts beside their own. */
async function worldWith(engine: SpeechEngine, scripts: Record<string, unknown>): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'saperly-scripts-'))
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(directory, `${name}.json`), JSON.stringify(script))
  }
  const world = await openWorld({
    environment: { SPEECH_ENGINE: engine, SANDBOX_SCRIPTS: directory },
  })
  await rm(directory, { recursive: true })
  return world
}

const textsOf = (turns: readonly Turn[], role: Turn['role']): string[] =>
  turns.filter((turn) => turn.role === role).map(({ text }) => text)

describe('with voices', () => {
  const AGENT = [
    'Good morning, this is the garden shop.',
    'Which day would suit you best?',
    'What is the number of your house?',
    'Shall we bring the tools as well?',
    'How will our driver find you?',
    'Please say that in other words.',
    'We are looking forward to meeting you.',
  ]
  const CALLER = [
    'I would like to order two apple trees.',
    'Thursday.',
    'seven four one',
    'No, thank you.',
    'Seventeen purple umbrellas were stolen from the museum.',
    'The gate is always open.',
    'Thank you, goodbye.',
  ]
  /** What nobody says, but sounds much like it. */
  const DECOYS = [
    'Good evening, this is the garden shop.',
    'Which way would suit you best?',
    'What is the number of your horse?',
    'Shall we bring the tables as well?',
    'We are looking forward to meeting her.',
    'I would like to order two apple pies.',
    'The gate is never open.',
  ]
  const UNKNOWN = 4
  let world: World
  let speech: SpeechService

  beforeAll(async () => {
    // Each answer follows only on what it answers: a phone that mishears has nothing to say, and hangs up.
    const replies = AGENT.map((hears, i) => ({ hears: [hears], say: CALLER[i] }))
    world = await worldWith('embedded', {
      friendly: {
        about: 'Orders apple trees.',
        expects: [...AGENT, ...DECOYS],
        steps: [
          { do: 'ring', times: 1 },
          { do: 'answer' },
          { do: 'converse', turns: 20, patienceSec: 20, replies },
        ],
      },
    })
    speech = await createSpeechService('embedded', { log: silentLog })
  })
  afterAll(async () => {
    await speech.close()
    await world.close()
  })

  test('seven turns each way, word for word, in the transcript and in the recording', async () => {
    const { api } = world
    const line = await api.line({
      recordingEnabled: true,
      stt: { phrases: [CALLER[5], DECOYS[6]] },
    })
    const to = '+15555550123'
    await api.consent(line.numberId, to)
    let next = 0
    const brain = await SocketBrain.connect(world.url, line, ({ type }) => {
      if (type !== 'outbound_call' && type !== 'turn') return null
      const text = AGENT[next++]
      if (text === undefined) return [{ type: 'hangup' }]
      const phrases = [CALLER[0], DECOYS[5]]
      return [
        { type: 'speak', text },
        { type: 'wait_for_user', ...(next === 1 ? { expect: { phrases } } : {}) },
      ]
    })
    const { body: call } = await api.post('/calls', { fromNumberId: line.numberId, to })
    const ended = await over(world, call.id)
    await brain.close()

    const honest = CALLER.map((text, i) => (i === UNKNOWN ? '' : text))
    const heard = brain.of('turn')
    expect(heard.map(({ text }) => text)).toEqual(honest)
    expect(heard.map(({ noMatch }) => noMatch)).toEqual(honest.map((text) => text === ''))
    expect(new Set(heard.map(({ recognizer }) => recognizer))).toEqual(new Set(['phrases']))
    expect(heard.map(({ interrupted }) => interrupted)).toEqual(honest.map(() => null))

    const turns = await turnsOf(world, call.id)
    expect(turns.map(({ role, text }) => [role, text])).toEqual(
      AGENT.flatMap((text, i) => [
        ['agent', text],
        ['caller', honest[i]],
      ]),
    )
    expect(ended).toMatchObject({
      status: 'completed',
      hangupCause: 'agent_hangup',
      recognizer: 'phrases',
      hasRecording: true,
      hasTranscript: true,
    })

    const { left, right } = await recordingOf(world, call.id)
    const seconds = (Date.parse(ended.endedAt) - Date.parse(ended.answeredAt)) / 1000
    expect(Math.abs(left.length / SAMPLE_RATE - seconds)).toBeLessThan(1)
    const list = [...AGENT, ...CALLER.filter((_, i) => i !== UNKNOWN), ...DECOYS]
    expect(await heardIn(speech, right, list)).toEqual(AGENT)
    expect(await heardIn(speech, left, list)).toEqual(honest)
  }, 120_000)
})

describe('with tones', { timeout: 60_000 }, () => {
  const LONG =
    'Alpha Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa.'
  const DIALOGUE = [
    ['Grüß Gott, hier spricht Łódź – ça va?', 'Да, спасибо!'],
    ['日本語はどうですか。', 'はい、元気です 🙂'],
    ['Πόσο κοστίζει; 3,50 €?', 'Fünf Ñandús & "zwei" Äpfel…'],
    ['שלום וברכה', 'Ďakujem, do videnia!'],
  ] as const
  let world: World
  let speech: SpeechService

  beforeAll(async () => {
    const replies = DIALOGUE.map(([hears, say], i) => {
      return { hears: [hears], say, hangUp: i === DIALOGUE.length - 1 }
    })
    const answers = [{ do: 'answer' }]
    world = await worldWith('tone', {
      polyglot: { steps: [...answers, { do: 'converse', turns: 9, patienceSec: 20, replies }] },
      rude: {
        steps: [
          ...answers,
          { do: 'interrupt', afterMs: 2500, text: 'Einen Moment, bitte.' },
          { do: 'hear', phrase: 'Sorry', timeoutSec: 20 },
        ],
      },
      impatient: {
        steps: [
          ...answers,
          { do: 'interrupt', afterMs: 300, text: 'Wer ist da?' },
          { do: 'interrupt', afterMs: 1000, text: 'Hallo?' },
          { do: 'hear', phrase: 'Opening', timeoutSec: 20 },
          { do: 'hear', phrase: 'Sorry', timeoutSec: 20 },
        ],
      },
    })
    speech = await createSpeechService('tone', { log: silentLog })
  })
  afterAll(async () => {
    await speech.close()
    await world.close()
  })

  /** A phone with this script calls in; resolves when the call is over. */
  async function callIn(
    script: string,
    settings: Record<string, unknown>,
    answer: Parameters<typeof SocketBrain.connect>[2],
    meanwhile: (callId: string, brain: SocketBrain) => Promise<void> = async () => undefined,
  ) {
    const { api } = world
    const line = await api.line({ recordingEnabled: true, ...settings })
    const brain = await SocketBrain.connect(world.url, line, answer)
    const from = '+15555550177'
    const told = await api.post('/sandbox/calls', { from, toNumberId: line.numberId, script })
    expect(told.status).toBe(201)
    await meanwhile(told.body.id, brain)
    const ended = await over(world, told.body.id)
    await brain.close()
    const { left, right } = await recordingOf(world, ended.id)
    return { ended, brain, turns: await turnsOf(world, ended.id), left, right }
  }

  test('any text in any script, both ways', async () => {
    let next = 0
    const { ended, brain, turns, left, right } = await callIn('polyglot', {}, ({ type }) => {
      const text = type === 'inbound_call' || type === 'turn' ? DIALOGUE[next++]?.[0] : undefined
      return text === undefined ? null : [{ type: 'speak', text }]
    })
    expect(ended).toMatchObject({ status: 'completed', hangupCause: 'peer_hangup' })
    expect(turns.map(({ role, text }) => [role, text])).toEqual(
      DIALOGUE.flatMap(([agent, caller]) => [
        ['agent', agent],
        ['caller', caller],
      ]),
    )
    expect(brain.of('turn').map(({ text }) => text)).toEqual(DIALOGUE.map(([, said]) => said))
    expect(await heardIn(speech, right)).toEqual(DIALOGUE.map(([said]) => said))
    expect(await heardIn(speech, left)).toEqual(DIALOGUE.map(([, said]) => said))
  })

  test('an interruption is known to the word', async () => {
    const { brain, turns, right } = await callIn('rude', {}, ({ type }) => {
      if (type === 'inbound_call') return [{ type: 'speak', text: LONG }]
      return type === 'turn' ? [{ type: 'speak', text: 'Sorry.' }, { type: 'hangup' }] : null
    })
    const [cut] = brain.of('interrupted')
    expect(cut).toMatchObject({ basis: 'exact' })
    expect(cut.answering).toBe(brain.of('inbound_call')[0].requestId)
    const words = cut.heard.split(' ').length
    expect(words).toBeGreaterThan(1)
    expect(LONG.split(' ').slice(0, words).join(' ')).toBe(cut.heard)
    expect(brain.of('turn')).toMatchObject([
      { text: 'Einen Moment, bitte.', interrupted: { heard: cut.heard } },
    ])
    expect(turns[0]).toMatchObject({ text: LONG, heardText: cut.heard, interrupted: true })
    // What was really sent: these words, and at most a part of the next one.
    const [sent = ''] = await heardIn(speech, right)
    expect(sent.startsWith(cut.heard) && LONG.startsWith(sent)).toBe(true)
    expect(sent.slice(cut.heard.length).trim()).not.toContain(' ')
  })

  test('the disclosure comes first and whole; what is said meanwhile is the next turn', async () => {
    const disclosure = 'Hier spricht eine Maschine, und sie hört erst auf, wenn alles gesagt ist.'
    const { brain, turns, right, ended } = await callIn(
      'impatient',
      { complianceEnabled: true, disclosure },
      ({ type }) => {
        if (type === 'inbound_call') return [{ type: 'speak', text: 'Opening.' }]
        return type === 'turn' ? [{ type: 'speak', text: 'Sorry.' }, { type: 'hangup' }] : null
      },
      async (callId, asked) => {
        await world.until('the opening', async () => asked.of('inbound_call').length > 0)
        await world.api.post(`/calls/${callId}/speak`, { text: 'Now!', interrupt: true })
      },
    )
    const spoken = turns.filter(({ role }) => role !== 'caller')
    expect(spoken[0]).toMatchObject({
      role: 'disclosure',
      text: disclosure,
      heardText: disclosure,
      interrupted: false,
    })
    expect((await heardIn(speech, right)).join(' ')).toMatch(disclosure)
    expect(textsOf(turns, 'caller')).toEqual(['Wer ist da?', 'Hallo?'])
    expect(brain.of('turn').map(({ text }) => text)).toEqual(['Wer ist da? Hallo?'])
    expect(ended.hangupCause).toBe('agent_hangup')
  })
})
