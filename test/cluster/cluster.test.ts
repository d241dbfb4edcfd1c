// Two API processes and two network nodes on PostgreSQL and NATS: calls, brains and requests each in another process.
import { afterEach, describe, expect, test } from 'vitest'
import { havePeer } from '../peers.ts'
import { Receiver, SocketBrain, until } from '../world.ts'
import { Cluster, type Member, missingCluster, TENANT } from './cluster.ts'

const here = havePeer('the cluster', missingCluster)
const QUIET_PEER = '+15555550109'
const RINGING_PEER = '+15555550102'
const CALLS = 50
const RETRY_AFTER_MS = 1_000
const PARTITION_MS = 20_000

let cluster: Cluster | null = null
const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
  await cluster?.close()
  cluster = null
})

async function open(): Promise<Cluster> {
  cluster = await Cluster.open()
  return cluster
}

/** A brain on a socket of `at` that says hello at the beginning, and then listens. */
async function brainAt(at: Member, line: { connectionId: string; secret: string }) {
  const brain = await SocketBrain.connect(at.url, line, (event) =>
    event.type === 'outbound_call' || event.type === 'inbound_call'
      ? [{ type: 'speak', text: 'hello' }]
      : [{ type: 'wait_for_user' }],
  )
  closers.push(() => brain.close())
  return brain
}

/** Types of the events of a call as they come, over the stream of that process; `ended` resolves at its end. */
function follow(at: Member, callId: string): { types: string[]; ended: Promise<void> } {
  const types: string[] = []
  const read = async (): Promise<void> => {
    const response = await fetch(`${at.url}/calls/${callId}/events`, {
      headers: { authorization: `Bearer ${at.api.token}`, accept: 'text/event-stream' },
    })
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      types.splice(0, types.length, ...[...text.matchAll(/^event: (.+)$/gm)].map((m) => m[1]!))
    }
  }
  return { types, ended: read() }
}

interface Listed {
  id: string
  to: string
  phase: string
  status: string
  hangupCause: string | null
}

/** The calls once all of them are in that phase. */
function inPhase(at: Member, ids: readonly string[], phase: string): Promise<Listed[]> {
  return until(`all to be ${phase}`, async () => {
    const { body } = await at.api.get('/calls?limit=200')
    if (!Array.isArray(body)) return null
    const calls = (body as Listed[]).filter(({ id }) => ids.includes(id))
    return calls.length === ids.length && calls.every((call) => call.phase === phase) && calls
  })
}

async function connected(at: Member, ids: readonly string[]): Promise<void> {
  await inPhase(at, ids, 'connected')
}

/** Every hold is resolved once, balances agree with their postings, and the chain that two processes write is whole. */
async function checkBooks({ store }: Cluster, ids: readonly string[]): Promise<void> {
  const postings = await store.tables.ledger.list(TENANT, { limit: 1_000, cursor: null })
  for (const id of ids) {
    const types = postings.filter(({ callId }) => callId === id).map(({ type }) => type)
    expect(types.filter((type) => type === 'reserve')).toHaveLength(1)
    expect(types.filter((type) => type === 'settle' || type === 'release')).toHaveLength(1)
  }
  expect(await store.tables.ledger.verify()).toEqual([])
  expect(await store.tables.audit.verify()).toEqual([])
}

/** One node and two API processes: money, a line, a brain at B, and a webhook that hears how calls end. */
async function withOneNode() {
  const whole = await open()
  const [node, a, b] = await Promise.all([
    whole.start('network'),
    whole.start('api'),
    whole.start('api'),
  ])
  const receiver = new Receiver()
  closers.push(() => receiver.close())
  const events = ['call.completed', 'call.failed']
  await a.api.post('/webhooks', { url: await receiver.listen(), events })
  await whole.store.tables.ledger.topUp(TENANT, 10_000, 'test', Date.now())
  const line = await a.api.line()
  for (const peer of [QUIET_PEER, RINGING_PEER]) await a.api.consent(line.numberId, peer)
  const brain = await brainAt(b, line)
  await until('the node to be known', async () => (await probe(a, line.numberId)) === 403)
  return { whole, node, a, b, receiver, line, brain }
}

describe.runIf(here)('a cluster', () => {
  test(
    'a call placed on A lives on a node, its brain sits at B, and both of them steer it',
    { timeout: 180_000 },
    async () => {
      const whole = await open()
      const nodes = await Promise.all([whole.start('network'), whole.start('network')])
      const [a, b] = await Promise.all([whole.start('api'), whole.start('api')])
      const receiver = new Receiver()
      closers.push(() => receiver.close())
      await a.api.post('/webhooks', { url: await receiver.listen(), events: ['call.completed'] })
      const line = await a.api.line()
      await a.api.consent(line.numberId, QUIET_PEER)
      const brain = await brainAt(b, line)

      await until('everybody to be known', async () => (await a.known()) === 4)
      const place = () => a.api.post('/calls', { fromNumberId: line.numberId, to: QUIET_PEER })
      const placed = [await place(), await place()]
      expect(placed.map(({ status }) => status)).toEqual([201, 201])
      const ids: string[] = placed.map(({ body: { id } }) => id)
      const stream = follow(a, ids[1]!)
      await connected(a, ids)
      // One each: room decides.
      expect(await Promise.all(nodes.map((node) => node.live()))).toEqual([1, 1])

      const heard = async (text: string, id: string) =>
        until(`"${text}"`, async () => {
          const { body } = await a.api.get(`/calls/${id}/transcript`)
          return JSON.stringify(body).includes(text)
        })
      for (const id of ids) await heard('hello', id)
      expect(brain.of('outbound_call').map(({ callId }) => callId)).toEqual(
        expect.arrayContaining(ids),
      )
      for (const id of ids) {
        brain.send({ callId: id, directives: [{ type: 'speak', text: `unasked ${id}` }] })
        await heard(`unasked ${id}`, id)
        expect(await a.api.post(`/calls/${id}/speak`, { text: `from A ${id}` })).toMatchObject({
          status: 200,
        })
        await heard(`from A ${id}`, id)
        expect(await b.api.post(`/calls/${id}/dtmf`, { digits: '12' })).toMatchObject({
          status: 200,
        })
        const sip = await b.api.get(`/calls/${id}/sip`)
        expect([sip.status, String(sip.body).includes('INVITE')]).toEqual([200, true])
      }
      expect((await a.api.post(`/calls/${ids[0]}/transfer`, { to: '+15555550123' })).status).toBe(
        200,
      )
      await until('the transfer', async () => {
        const { body } = await b.api.get(`/calls/${ids[0]}`)
        return body.phase === 'ended' && body.hangupCause === 'transferred'
      })
      const ended = await a.api.post(`/calls/${ids[1]}/end`, { durationSec: 42 })
      expect(ended).toMatchObject({ status: 200, body: { status: 'completed', durationSec: 42 } })
      await stream.ended
      expect(stream.types.at(0)).toBe('initiated')
      expect(stream.types.at(-1)).toBe('ended')
      expect((await b.api.post(`/calls/${ids[1]}/speak`, { text: 'late' })).status).toBe(409)

      const called = await b.api.post('/sandbox/calls', {
        from: '+15555550123',
        toNumberId: line.numberId,
      })
      expect(called.status).toBe(201)
      await until('the inbound call at the brain', async () => brain.of('inbound_call').length > 0)
      const finished = await a.api.post(`/calls/${called.body.id}/end`)
      expect(finished.body.phase).toBe('ended')
      await until('the brain to be told', async () => brain.of('call_ended').length === 3)
      await until('the webhooks', async () => receiver.events('call.completed').length === 3)
      await checkBooks(whole, [...ids, called.body.id])

      // What is changed on A reaches the socket on B.
      await a.api.send('DELETE', `/numbers/${line.numberId}`)
      expect((await a.api.send('DELETE', `/connections/${line.connectionId}`)).status).toBe(200)
      await until('the socket to be closed', async () => brain.closed)
    },
  )

  test(
    'a node that dies with fifty calls: all final within fifteen seconds, new ones go elsewhere',
    { timeout: 240_000 },
    async () => {
      const { whole, node: dying, a, b, receiver, line, brain } = await withOneNode()
      const place = (to: string) => {
        const body = { fromNumberId: line.numberId, to, ringTimeoutSec: 120 }
        return Promise.all([a, b, a, b, a].map((at) => at.api.post('/calls', body)))
      }
      const ids: { quiet: string[]; ringing: string[] } = { quiet: [], ringing: [] }
      while (ids.quiet.length + ids.ringing.length < CALLS) {
        const [to, those] =
          ids.quiet.length < CALLS / 2 ? [QUIET_PEER, ids.quiet] : [RINGING_PEER, ids.ringing]
        const answers = await place(to)
        those.push(...answers.filter(({ status }) => status === 201).map(({ body }) => body.id))
        // A node on a busy machine says when it is overloaded, and its sandbox may miss its three seconds.
        if (answers.some(({ status }) => status !== 201)) {
          await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS))
        }
      }
      const all = [...ids.quiet, ...ids.ringing]
      await connected(a, ids.quiet)
      expect(await dying.live()).toBe(all.length)
      const heir = await whole.start('network')

      const diedMs = performance.now()
      await dying.end('SIGKILL')
      const ending = inPhase(b, all, 'ended').then((calls) => ({
        calls,
        tookMs: performance.now() - diedMs,
      }))
      const replaced = await until('a call on the other node', async () => {
        const again = await a.api.post('/calls', { fromNumberId: line.numberId, to: QUIET_PEER })
        return again.status === 201 && again
      })
      const { calls, tookMs } = await ending
      process.stderr.write(`${all.length} calls of a dead node: final after ${tookMs | 0} ms\n`)
      // What the platform promises, not how fast this machine is.
      expect(tookMs).toBeLessThan(15_000)
      expect(calls.map(({ status, hangupCause }) => [status, hangupCause])).toEqual(
        calls.map(({ to }) => [to === QUIET_PEER ? 'completed' : 'failed', 'process_lost']),
      )
      await connected(b, [replaced.body.id])
      expect(await heir.live()).toBe(1)
      expect((await b.api.post(`/calls/${replaced.body.id}/end`)).status).toBe(200)
      await until('the brain to be told', async () => brain.of('call_ended').length === 1)
      const told = (): string[] =>
        receiver.received
          .map(({ body: { payload } }) => payload.callId)
          .filter((id) => all.includes(id))
      await until('every webhook', async () => told().length >= all.length)
      expect(told().toSorted()).toEqual(all.toSorted())
      await checkBooks(whole, all)
    },
  )

  test(
    'a partition of twenty seconds: nothing is doubled, nothing is lost, and calls go on',
    { timeout: 240_000 },
    async () => {
      const { whole, node, a, b, receiver, line, brain } = await withOneNode()
      const body = { fromNumberId: line.numberId, to: QUIET_PEER }
      const before = await Promise.all([1, 2, 3].map(() => a.api.post('/calls', body)))
      const ids: string[] = before.map(({ body: call }) => call.id)
      await connected(a, ids)
      await until('the brain to have them', async () => brain.of('outbound_call').length === 3)

      // Requests run into the partition while nobody has noticed it, and after.
      const frozenMs = performance.now()
      whole.nats.freeze()
      const meanwhile: { key: string; status: number; id: string | null }[] = []
      while (performance.now() - frozenMs < PARTITION_MS) {
        const key = `during-${meanwhile.length}`
        const [placed, ended] = await Promise.all([
          a.api.post('/calls', body, { 'idempotency-key': key }),
          a.api.post(`/calls/${ids[0]}/end`),
        ])
        meanwhile.push({ key, status: placed.status, id: placed.body.id ?? null })
        expect([placed.status, ended.status]).toEqual([503, 503])
        expect(placed.headers.get('retry-after')).not.toBe(null)
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      // The calls go on without the bus, and so does reading.
      for (const id of ids) {
        expect((await b.api.get(`/calls/${id}`)).body.phase).toBe('connected')
      }
      whole.nats.thaw()
      const after = await until('placing to work again', async () => {
        const placed = await a.api.post('/calls', body, { 'idempotency-key': 'during-0' })
        return placed.status === 201 && placed
      })
      const again = await a.api.post('/calls', body, { 'idempotency-key': 'during-0' })
      expect([again.status, again.body.id]).toEqual([201, after.body.id])
      const listed = (await a.api.get('/calls?limit=100')).body as { id: string }[]
      // None of those that were refused came into being, late or at all.
      expect(listed.map(({ id }) => id).toSorted()).toEqual([...ids, after.body.id].toSorted())
      await connected(a, [after.body.id])
      expect(await node.live()).toBe(4)
      await until('the brain to have the new one', async () => {
        const opened = brain.of('outbound_call').map(({ callId }) => callId)
        return opened.includes(after.body.id) && opened.length === 4
      })
      for (const id of ids) {
        brain.send({ callId: id, directives: [{ type: 'speak', text: `still here ${id}` }] })
        await until('the brain to be heard', async () => {
          const { body: transcript } = await b.api.get(`/calls/${id}/transcript`)
          const said = transcript.turns.filter(
            ({ text }: { text: string }) => text === `still here ${id}`,
          )
          return said.length === 1
        })
      }
      // A bus that is restarted is no more than a short one.
      await whole.nats.kill()
      await whole.nats.start()
      await until('the end of all', async () => {
        const ends = await Promise.all(
          [...ids, after.body.id].map((id) => a.api.post(`/calls/${id}/end`)),
        )
        return ends.every(({ status }) => status === 200)
      })
      await until('the brain to be told', async () => brain.of('call_ended').length === 4)
      await until('every webhook', async () => receiver.received.length >= 4)
      const told = receiver.received.map(({ body: { payload } }) => payload.callId)
      expect(told.toSorted()).toEqual([...ids, after.body.id].toSorted())
      await checkBooks(whole, [...ids, after.body.id])
    },
  )
})

/** What a placement without consent is answered with: 403 from a node, 503 while none is known. */
async function probe(at: Member, fromNumberId: string): Promise<number> {
  return (await at.api.post('/calls', { fromNumberId, to: '+15555550123' })).status
}
