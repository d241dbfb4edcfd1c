// The first call, whole: request, SIP, RTP, tones, brain, bill.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWorld, SocketBrain, type World } from './world.ts'

let world: World

beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

test('a call without consent is refused; with consent it rings, talks and is billed', async () => {
  const { api } = world
  const line = await api.line()
  const to = '+15555550123'
  const refused = await api.post('/calls', { fromNumberId: line.numberId, to })
  expect([refused.status, refused.body._tag]).toEqual([403, 'ConsentRequired'])

  await api.consent(line.numberId, to)
  const brain = await SocketBrain.connect(world.url, line, (event) =>
    event.type === 'outbound_call' || event.type === 'turn'
      ? [{ type: 'speak', text: 'Hello there.' }]
      : null,
  )
  const placed = await api.post('/calls', { fromNumberId: line.numberId, to })
  expect(placed.status).toBe(201)
  const callId = placed.body.id
  await world.until('a turn', async () => brain.of('turn').length > 0)
  const ended = await api.post(`/calls/${callId}/end`, { durationSec: 42 })
  expect(ended.body).toMatchObject({
    status: 'completed',
    durationSec: 42,
    costCents: Math.ceil((42 * 13) / 60),
    hangupCause: 'api_end',
  })
  const usage = await api.get('/usage')
  expect(usage.body.balanceCents).toBe(500 - 10)
  await brain.close()
})
