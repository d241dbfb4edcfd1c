// Calls over a network that loses every tenth SIP message each way: each still ends as it should, once.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Books } from './books.ts'
import { type TestNetwork, openTestNetwork } from './network.ts'
import { openWorld, SocketBrain, until, type World } from './world.ts'

const LOSS = { lossRate: 0.1, seed: 20_260_101, delayMs: 0, scripts: null }
const MUTE = '+15555550109'
const UNANSWERED = '+15555550102'

let world: World
let lossy: TestNetwork
let books: Books

beforeAll(async () => {
  world = await openWorld({
    config: { limits: { requestsPerSec: 1000, burst: 1000 } },
    network: async (clock) => {
      lossy = await openTestNetwork(clock, LOSS)
      return lossy.network
    },
  })
  books = await Books.open(world)
})
afterAll(() => world.close())

/** What is done with a call while it lives. */
type Doing = (callId: string) => Promise<unknown>

interface Kind {
  to: string
  times: number
  ends: [status: string, hangupCause: string]
  /** Placed from the line whose brain hangs up at once. */
  curt?: boolean
  ringTimeoutSec?: number
  doing?: Doing
}

const end: Doing = (callId) => world.api.post(`/calls/${callId}/end`)
const endWhenConnected: Doing = async (callId) => {
  await until('the answer', async () => {
    const { body } = await world.api.get(`/calls/${callId}`)
    return body.phase === 'connected'
  })
  return end(callId)
}

const kinds: Kind[] = [
  { to: '+15555550101', times: 2, ends: ['no_answer', 'busy'] },
  { to: '+15555550103', times: 2, ends: ['no_answer', 'declined'] },
  { to: '+15555550104', times: 2, ends: ['failed', 'carrier_refused'] },
  { to: UNANSWERED, times: 3, ends: ['no_answer', 'no_answer'], ringTimeoutSec: 5 },
  // Where the one 180 is lost, the platform answers after 8 s: the call is ended then.
  { to: UNANSWERED, times: 3, ends: ['no_answer', 'cancelled'], doing: end },
  { to: '+15555550107', times: 3, ends: ['completed', 'peer_hangup'] },
  { to: MUTE, times: 3, ends: ['completed', 'api_end'], doing: endWhenConnected },
  { to: MUTE, times: 2, ends: ['completed', 'agent_hangup'], curt: true },
]

test('twenty calls on a bad line', { timeout: 90_000 }, async () => {
  const { api } = world
  const line = await api.line()
  const curt = await api.line()
  const brain = await SocketBrain.connect(world.url, curt, () => [{ type: 'hangup' }])
  for (const to of new Set(kinds.map((kind) => kind.to))) {
    await api.consent(line.numberId, to)
    await api.consent(curt.numberId, to)
  }
  const calls = kinds.flatMap((kind) => Array.from({ length: kind.times }, () => kind))
  expect(calls).toHaveLength(20)
  await Promise.all(
    calls.map(async ({ to, ends, doing, curt: isCurt, ringTimeoutSec = 45 }) => {
      const fromNumberId = (isCurt ? curt : line).numberId
      const { body } = await api.post('/calls', { fromNumberId, to, ringTimeoutSec })
      const callId = body.id ?? body.callId
      await doing?.(callId)
      const call = await books.closed(callId)
      expect([to, call.status, call.hangupCause]).toEqual([to, ...ends])
    }),
  )
  await brain.close()
  await until('every phone to be put down', async () => lossy.phones() === 0)
  await books.settle()
  for (const way of ['in', 'out'] as const) {
    expect(lossy.lost[way]).toBeGreaterThan(0)
    expect(lossy.lost[way]).toBeLessThan(lossy.passed[way])
  }
})
