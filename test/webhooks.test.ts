// Webhooks, as their receiver sees them: retries, slowness, tests, replays, and a change of secret.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verify } from '../packages/server/src/webhook/sign.ts'
import { openWorld, type Received, Receiver, type Reply, until, type World } from './world.ts'

/** The default workspace has 500 cents to begin with. */
const LOW_CENTS = 480

let world: World
const receivers: Receiver[] = []

beforeAll(async () => {
  world = await openWorld({
    config: {
      limits: { requestsPerSec: 1000, burst: 1000 },
      balanceLow: { testCents: LOW_CENTS },
    },
  })
})
afterAll(async () => {
  await world.close()
  for (const receiver of receivers) await receiver.close()
})

interface Hook {
  id: string
  secret: string
  receiver: Receiver
}

/** An endpoint with a receiver of its own behind it. */
async function hook(
  answer: (request: Received) => Reply | Promise<Reply> = () => ({}),
  eventType = 'call.recording.saved',
): Promise<Hook> {
  const receiver = new Receiver()
  receivers.push(receiver)
  receiver.answer = answer
  const url = await receiver.listen()
  const made = await world.api.post('/webhooks', { url, events: [eventType] })
  expect(made).toMatchObject({ status: 201 })
  return { id: made.body.id, secret: made.body.signingSecret, receiver }
}

/** Has an event sent to this endpoint alone; its delivery id. */
async function sendTest({ id }: Hook): Promise<string> {
  const sent = await world.api.post(`/webhooks/${id}/test`)
  expect(sent).toMatchObject({ status: 200, body: { eventType: 'webhook.test' } })
  return sent.body.id
}

const deliveries = async ({ id }: Hook): Promise<Record<string, unknown>[]> =>
  (await world.api.get(`/webhooks/${id}/deliveries`)).body

const received = ({ receiver }: Hook, count: number): Promise<Received[]> =>
  until(`${count} requests`, async () =>
    receiver.received.length >= count ? receiver.received : null,
  )

const genuine = ({ headers, raw }: Received, secret: string): boolean =>
  verify({ headers: headers as Record<string, string>, body: raw }, [secret], Date.now()).ok

const attemptOf = ({ headers }: Received): string | string[] | undefined =>
  headers['x-saperly-delivery-attempt']

test.concurrent('what fails is sent again, with the same id and a new signature', async () => {
  let failures = 0
  const target = await hook(() => ({ status: failures++ === 0 ? 500 : 204 }))
  const id = await sendTest(target)
  await received(target, 1)
  const failed = await until('the first attempt to be written down', async () =>
    (await deliveries(target)).find(({ status }) => status === 'failed'),
  )
  expect(failed).toMatchObject({ id, attempts: 1, responseStatus: 500 })
  const pauseMs =
    Date.parse(String(failed['nextAttemptAt'])) - Date.parse(String(failed['lastAttemptAt']))
  expect(pauseMs).toBeGreaterThanOrEqual(5_000)
  expect(pauseMs).toBeLessThanOrEqual(6_000)

  const [first, second] = await received(target, 2)
  expect(second!.raw).toBe(first!.raw)
  expect(second!.body.deliveryId).toBe(id)
  expect([attemptOf(first!), attemptOf(second!)]).toEqual(['1', '2'])
  expect([genuine(first!, target.secret), genuine(second!, target.secret)]).toEqual([true, true])
  const delivered = await until('the second attempt to be written down', async () =>
    (await deliveries(target)).find(({ status }) => status === 'delivered'),
  )
  expect(delivered).toMatchObject({ id, attempts: 2, responseStatus: 204, nextAttemptAt: null })
})

test.concurrent('a receiver that never answers is given up, and holds up nobody', async () => {
  const stuck = await hook(() => new Promise(() => undefined))
  const quick = await hook()
  const ids = [await sendTest(stuck), await sendTest(stuck)]
  await received(stuck, 2)
  await sendTest(quick)
  await received(quick, 1)
  expect((await deliveries(stuck)).map(({ status }) => status)).toEqual(['pending', 'pending'])
  const given = await until('the attempts to be given up', async () => {
    const all = await deliveries(stuck)
    return all.every(({ status }) => status === 'failed') ? all : null
  })
  expect(given.map(({ id }) => id)).toEqual(ids.toReversed())
  for (const one of given) expect(one).toMatchObject({ attempts: 1, responseStatus: null })
})

test.concurrent('a delivery is replayed on demand', async () => {
  const target = await hook()
  const id = await sendTest(target)
  await received(target, 1)
  await until('the delivery', async () => (await deliveries(target))[0]!['status'] === 'delivered')
  const replayed = await world.api.post(`/deliveries/${id}/replay`)
  expect(replayed).toMatchObject({ status: 200, body: { id, status: 'pending' } })
  const [first, second] = await received(target, 2)
  expect(second!.raw).toBe(first!.raw)
  expect(genuine(second!, target.secret)).toBe(true)
  await until('its end', async () => (await deliveries(target))[0]!['status'] === 'delivered')
  expect(await deliveries(target)).toHaveLength(1)
})

test.concurrent('during a rotation both secrets sign', async () => {
  const target = await hook()
  const rotated = await world.api.post(`/webhooks/${target.id}/rotate-secret`)
  const { signingSecret } = rotated.body
  expect(signingSecret).toMatch(/^whsec_/)
  expect(signingSecret).not.toBe(target.secret)
  await sendTest(target)
  const [request] = await received(target, 1)
  expect(String(request!.headers['x-saperly-signature']).split(' ')).toHaveLength(2)
  expect([genuine(request!, signingSecret), genuine(request!, target.secret)]).toEqual([true, true])
  expect(genuine(request!, 'whsec_another')).toBe(false)
  expect(String(request!.headers['webhook-signature']).split(' ')).toHaveLength(2)
  const standard = Object.entries(request!.headers).filter(([name]) => name.startsWith('webhook-'))
  const bare = { ...request!, headers: Object.fromEntries(standard) }
  expect([genuine(bare, signingSecret), genuine(bare, target.secret)]).toEqual([true, true])
})

test.concurrent('events go to those who asked for them, and no longer once deleted', async () => {
  const { api } = world
  const target = await hook(() => ({}), 'call.failed')
  const gone = await hook(() => ({}), 'call.failed')
  expect((await api.send('DELETE', `/webhooks/${gone.id}`)).body).toEqual({ status: 'deleted' })
  const to = '+15555550101'
  const line = await api.line()
  await api.consent(line.numberId, to)
  const placed = await api.post('/calls', { fromNumberId: line.numberId, to })
  const told = await until('the event', async () =>
    target.receiver.events('call.failed').find(({ payload }) => payload.callId === placed.body.id),
  )
  expect(told.payload).toMatchObject({ status: 'no_answer', hangupCause: 'busy', to })
  expect(gone.receiver.received).toEqual([])
  const listed: { id: string; successRate: number; signingSecret: null }[] = (
    await api.get('/webhooks')
  ).body
  expect(listed.map(({ id }) => id)).not.toContain(gone.id)
  expect(listed.find(({ id }) => id === target.id)).toMatchObject({ signingSecret: null })
})

test.concurrent('a balance that falls below its threshold is told once, and again after a top-up', async () => {
  const { api } = world
  const target = await hook(() => ({}), 'balance.low')
  const line = await api.line()
  const peers = ['+15555550100', '+15555550123', '+15555550100', '+15555550123']
  for (const to of peers) await api.consent(line.numberId, to)
  const posted: number[] = []
  const spend = async (to: string, durationSec: number): Promise<void> => {
    const placed = await api.post('/calls', { fromNumberId: line.numberId, to })
    await until('the answer', async () => {
      const { body } = await api.get(`/calls/${placed.body.id}`)
      return body.phase === 'connected'
    })
    await api.post(`/calls/${placed.body.id}/end`, { durationSec })
    await api.final(placed.body.id)
    posted.push((await api.get('/usage')).body.balanceCents)
  }
  const tenant = { workspaceId: 'ws_default', environment: 'test' as const }
  for (const to of peers.slice(0, 3)) await spend(to, 60)
  expect(posted).toEqual([487, 474, 461])
  await world.server.store.tables.ledger.topUp(tenant, 30, 'test', Date.now())
  await spend(peers[3]!, 60)
  const told = await until('both events', async () => {
    const events = target.receiver.events('balance.low')
    return events.length === 2 ? events : null
  })
  expect(told.map(({ payload }) => payload)).toEqual([
    { balanceCents: 474, thresholdCents: LOW_CENTS },
    { balanceCents: 478, thresholdCents: LOW_CENTS },
  ])
})
