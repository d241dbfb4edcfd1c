// A whole conversation in simulated time: real talking parts, tone speech, a network that delays and reorders.
import { seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { SimulatedUdp } from '../rtp/simulated-udp.ts'
import { ToneEars, toneMouth } from '../speech/tone-speech.ts'
import type { TalkEvent } from '../talk/port.ts'
import { createLocalMediaPlane } from './local.ts'
import type { MediaCommand, MediaEvent } from './port.ts'
import { agreementWith } from './testing.ts'
import { talkFactory } from './talk-factory.ts'

const talk = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}

function speak(legId: string, utteranceId: string, text: string): MediaCommand {
  const command = {
    type: 'speak' as const,
    utteranceId,
    text,
    more: false,
    interruptible: true,
    protected: false,
    voice: null,
  }
  return { type: 'talk', legId, command }
}

async function converse(seed: number) {
  const clock = new SimClock()
  const random = seededRandom(seed)
  const weather = { minDelayMs: 5, maxDelayMs: 35, loss: 0, duplication: 0.05 }
  const udp = new SimulatedUdp(clock, random, weather)
  const plane = createLocalMediaPlane(
    { ports: { first: 10_000, last: 10_099 }, firstPacketTimeoutMs: 5000, packetTimeoutMs: 5000 },
    {
      clock,
      random,
      log: silentLog,
      udp,
      recognizer: 'free',
      speech: {
        openEars: (options) => new ToneEars(options),
        mouth: toneMouth,
        close: async () => {},
      },
      createTalk: talkFactory('tone'),
    },
  )
  const events: MediaEvent[] = []
  const ports: number[] = []
  for (const legId of ['agent', 'caller']) {
    plane.subscribe(legId, (event) => {
      events.push(event)
      if (event.type === 'opened') ports.push(event.port)
    })
    plane.post({ type: 'open', legId, address: '127.0.0.1', talk, recordTo: null })
    await clock.advance(0)
  }
  const [agentPort, callerPort] = ports
  for (const [legId, other] of [
    ['agent', callerPort!],
    ['caller', agentPort!],
  ] as const) {
    plane.post({ type: 'connect', legId, agreement: agreementWith(other, { codec: 'PCMA' }) })
  }
  const told = (legId: string): TalkEvent[] =>
    events.flatMap((event) => (event.type === 'talk' && event.legId === legId ? event.event : []))

  plane.post(speak('agent', 'u1', 'Good morning. What is your order number?'))
  await clock.advance(15_007)
  plane.post(speak('caller', 'u2', 'It is A-4711.'))
  await clock.advance(10_000)
  const command = { type: 'sendDigits' as const, digits: '42#' }
  plane.post({ type: 'talk', legId: 'caller', command })
  await clock.advance(2000)
  await plane.close()
  await clock.advance(100)
  return { clock, udp, plane, events, agent: told('agent'), caller: told('caller') }
}

test('both sides understand each other over a network that reorders', async () => {
  const { clock, udp, plane, events, agent, caller } = await converse(7)
  const turns = (told: readonly TalkEvent[]): string[] =>
    told.flatMap((event) => (event.type === 'turn' ? event.text : []))
  expect(turns(caller)).toEqual(['Good morning. What is your order number?'])
  expect(turns(agent)).toEqual(['It is A-4711.'])
  expect(agent.filter(({ type }) => type === 'digits')).toEqual(
    ['4', '2', '#'].map((digits) => ({ type: 'digits', digits })),
  )
  expect(caller).toContainEqual({ type: 'digitsSent', digits: '42#' })
  expect(events.some(({ type }) => type === 'mediaLost' || type === 'failed')).toBe(false)
  expect([plane.sessions, udp.open, clock.pending()]).toEqual([0, 0, 0])
})

test('speech that is ready goes out at once: within a slot of the wheel', async () => {
  const { agent, caller } = await converse(11)
  const waits = [...agent, ...caller].flatMap((event) =>
    event.type === 'speaking' ? event.wireMs : [],
  )
  expect(waits).toHaveLength(2)
  expect(Math.max(...waits)).toBeLessThanOrEqual(5)
})

test('the same seed gives the same conversation', async () => {
  const [first, second] = [await converse(3), await converse(3)]
  expect(second.events).toEqual(first.events)
})
