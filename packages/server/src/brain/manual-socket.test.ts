// Manual mode over real websockets on loopback: coming in, talking, and the failover from socket to socket.
import { Cancelled } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { BrainLost } from './port.ts'
import { collect, ManualHouse, never, turn } from './testing.ts'

let house: ManualHouse
beforeEach(async () => {
  house = await ManualHouse.open()
})
afterEach(() => house.close())

describe('coming in', () => {
  test('by header, and the first frame is ready', async () => {
    const socket = await house.connect()
    expect(socket.frames[0]).toEqual({
      type: 'ready',
      protocol: 'saperly.manual.v1',
      connectionId: house.connectionId,
      calls: [],
    })
  })

  test('by subprotocol, of which only the name of the protocol is given back', async () => {
    const protocols = ['saperly.manual.v1', `bearer.${house.secret}`]
    const socket = await house.connect({ protocols, headers: {} })
    expect(socket.ws.protocol).toBe('saperly.manual.v1')
  })

  test('with the previous secret, for as long as a rotation lasts', async () => {
    house.rotate('mc_new', house.clock.now() + 1000)
    await house.connect()
    await house.connect({ headers: { authorization: 'Bearer mc_new' } })
    await house.clock.advance(1000)
    expect(await house.refusal()).toMatchObject({ status: 401 })
  })

  test.each([
    ['no bearer', {}, 'Unauthorized', 401],
    ['no bearer of ours', { authorization: 'Bearer sk_test_x' }, 'Unauthorized', 401],
    ['another secret', { authorization: 'Bearer mc_wrong' }, 'Unauthorized', 401],
  ])('not with %s', async (_, headers, tag, status) => {
    const refusal = await house.refusal({ headers })
    expect(refusal).toMatchObject({ status, body: { _tag: tag } })
    expect(refusal.headers['x-request-id']).toMatch(/^req_/)
  })

  test('not with the secret in the URL', async () => {
    const path = `/manual/${house.connectionId}?bearer=${house.secret}`
    expect(await house.refusal({ path, headers: {} })).toMatchObject({ status: 401 })
  })

  test('not to a connection that is unknown, deleted or hosted', async () => {
    const notFound = { status: 404, body: { _tag: 'ConnectionNotFound', id: 'conn_none' } }
    expect(await house.refusal({ path: '/manual/conn_none' })).toMatchObject(notFound)
    house.row.deletedAt = 1
    expect(await house.refusal()).toMatchObject({ status: 404 })
    house.row.deletedAt = null
    house.row.mode = 'hosted'
    expect(await house.refusal()).toMatchObject({ status: 404 })
  })

  test('not without a handshake, and also that is said in our own words', async () => {
    const refusal = await house.refusal({ version: '1' })
    expect(refusal).toMatchObject({ status: 400, body: { _tag: 'MalformedRequest' } })
  })

  test('at most 16 of one connection', async () => {
    for (let i = 0; i < 16; i++) await house.connect()
    const full = { _tag: 'ConcurrencyLimited', limit: 16, active: 16 }
    expect(await house.refusal()).toMatchObject({ status: 429, body: full })
  })
})

describe('on one socket', () => {
  test('a request is answered by the first frame that does not end in more', async () => {
    const socket = await house.connect()
    const { brain } = house.brain()
    const answer = collect(brain.ask(turn('req_1'), never))
    expect(await socket.next('turn')).toMatchObject({ requestId: 'req_1', text: 'hello' })
    socket.say({ requestId: 'req_1', directive: { type: 'speak', text: 'One,', more: true } })
    socket.say({
      requestId: 'req_1',
      directives: [{ type: 'speak', text: 'two.' }, { type: 'hangup' }],
    })
    expect((await answer).map((directive) => directive.type)).toEqual(['speak', 'speak', 'hangup'])
    expect(brain.kind).toBe('manual_socket')
    socket.say({ requestId: 'req_1', directives: [] })
    expect(await socket.next('error')).toMatchObject({ _tag: 'StaleRequest', requestId: 'req_1' })
  })

  test('what cannot be followed is said, and the request stays open', async () => {
    const socket = await house.connect()
    const { brain } = house.brain()
    const answer = collect(brain.ask(turn('req_1'), never))
    await socket.next('turn')
    const bad = [
      { requestId: 'req_1', directive: { type: 'dance' } },
      { requestId: 'req_1', directive: { type: 'transfer', to: '+15555550999' } },
      'not json',
      { callId: 'call_none', directives: [] },
      { requestId: 'req_none', directives: [] },
    ]
    for (const frame of bad) socket.say(frame)
    const complaints = []
    for (const _ of bad) complaints.push(await socket.next('error'))
    expect(complaints.map((frame) => [frame['_tag'], frame['requestId']])).toEqual([
      ['InvalidDirective', 'req_1'],
      ['InvalidDirective', 'req_1'],
      ['InvalidDirective', null],
      ['InvalidDirective', null],
      ['StaleRequest', 'req_none'],
    ])
    socket.say({ requestId: 'req_1', directive: { type: 'transfer', to: '+15555550111' } })
    expect(await answer).toEqual([{ type: 'transfer', to: '+15555550111' }])
  })

  test('directives may come unasked on a live call', async () => {
    const socket = await house.connect()
    const { call, unasked } = house.brain()
    socket.say({ callId: call.callId, directive: { type: 'speak', text: 'By the way.' } })
    await vi.waitFor(() => expect(unasked).toEqual([{ type: 'speak', text: 'By the way.' }]))
  })

  test('what was dropped may still come, and is no error; after a timeout it is', async () => {
    const socket = await house.connect()
    const { brain } = house.brain()
    for (const [requestId, reason] of [
      ['req_1', 'interrupted'],
      ['req_2', 'timeout'],
    ] as const) {
      const drop = new AbortController()
      const answer = collect(brain.ask(turn(requestId), drop.signal)).catch((error) => error)
      await socket.next('turn')
      drop.abort(new Cancelled(reason))
      expect(await answer).toMatchObject({ reason })
      socket.say({ requestId, directive: { type: 'speak', text: 'late' } })
    }
    expect(await socket.next('error')).toMatchObject({ _tag: 'StaleRequest', requestId: 'req_2' })
  })

  test('a binary frame, and one over 64 KiB, close it', async () => {
    const first = await house.connect()
    first.ws.send(Buffer.from([1, 2, 3]))
    expect(await first.closed).toBe(1003)
    const second = await house.connect()
    second.ws.send('x'.repeat(65_537))
    expect(await second.closed).toBe(1009)
  })

  test('a ping every 20 s, and a socket that answers none is dropped', async () => {
    const alive = await house.connect()
    const dead = await house.connect({ autoPong: false })
    const pings = vi.fn<() => void>()
    alive.ws.on('ping', pings)
    for (let beat = 1; beat <= 3; beat++) {
      await house.clock.advance(20_000)
      if (beat === 3) break
      await vi.waitFor(() => expect(pings).toHaveBeenCalledTimes(beat))
      // An answered frame proves that the pong before it has arrived.
      alive.say('not json')
      await alive.next('error')
    }
    expect(await dead.closed).toBe(1006)
    await vi.waitFor(() => expect(house.sockets.open).toBe(1))
  })
})

describe('from socket to socket', () => {
  test('the newest gets new calls; when it closes the other takes over what is unanswered', async () => {
    const older = await house.connect()
    const newer = await house.connect()
    const { brain, call } = house.brain()
    const answer = collect(brain.ask(turn('req_1'), never))
    await newer.next('turn')
    newer.ws.close()
    expect(await older.next('ready')).toMatchObject({ calls: [] })
    expect(await older.next('ready')).toMatchObject({ calls: [{ callId: call.callId }] })
    expect(await older.next('turn')).toMatchObject({ requestId: 'req_1' })
    older.say({ requestId: 'req_1', directive: { type: 'speak', text: 'Here.' } })
    expect(await answer).toEqual([{ type: 'speak', text: 'Here.' }])
  })

  test('the first that comes within 15 s owns the call, and hears what it missed, in order', async () => {
    const first = await house.connect()
    const { brain, call } = house.brain()
    const answer = collect(brain.ask(turn('req_1'), never))
    await first.next('turn')
    first.ws.terminate()
    await vi.waitFor(() => expect(house.sockets.open).toBe(0))
    await house.clock.advance(14_000)
    brain.tell({ ...house.base('req_2'), type: 'funds_low', secondsLeft: 30 })
    const second = await house.connect()
    expect(second.frames[0]).toMatchObject({ type: 'ready', calls: [{ callId: call.callId }] })
    await second.next('funds_low')
    expect(second.frames.map((frame) => frame['type'])).toEqual(['ready', 'turn', 'funds_low'])
    second.say({ requestId: 'req_1', directives: [] })
    expect(await answer).toEqual([])
  })

  test('a call that comes while the socket is away waits for it too', async () => {
    const first = await house.connect()
    first.ws.terminate()
    await vi.waitFor(() => expect(house.sockets.open).toBe(0))
    const { brain } = house.brain()
    const answer = collect(brain.ask(turn('req_1'), never))
    const second = await house.connect()
    await second.next('turn')
    second.say({ requestId: 'req_1', directives: [] })
    expect(await answer).toEqual([])
  })

  test('after 15 s the brain is lost where there is no webhook', async () => {
    const socket = await house.connect()
    const { brain } = house.brain()
    const answer = collect(brain.ask(turn('req_1'), never)).catch((error) => error)
    await socket.next('turn')
    socket.ws.terminate()
    await vi.waitFor(() => expect(house.sockets.open).toBe(0))
    await house.clock.advance(15_000)
    expect(await answer).toBeInstanceOf(BrainLost)
  })

  test('a deleted connection loses its sockets and its calls at once', async () => {
    const socket = await house.connect()
    const { brain } = house.brain()
    const answer = collect(brain.ask(turn('req_1'), never)).catch((error) => error)
    await socket.next('turn')
    house.disconnect()
    expect(await answer).toBeInstanceOf(BrainLost)
    expect(await socket.closed).toBe(1008)
  })

  test('a socket that does not read is cut off', async () => {
    const socket = await house.connect()
    const { brain } = house.brain()
    socket.ws.pause()
    const text = 'x'.repeat(200_000)
    for (let i = 0; i < 200; i++) brain.tell({ ...house.base(`req_${i}`), type: 'opt_out', text })
    await vi.waitFor(() => expect(house.sockets.open).toBe(0))
  })

  test('what a brain that is away could not be told is kept within bounds', async () => {
    const first = await house.connect()
    first.ws.terminate()
    await vi.waitFor(() => expect(house.sockets.open).toBe(0))
    const { brain } = house.brain()
    for (let i = 1; i <= 100; i++) {
      brain.tell({ ...house.base(`req_${i}`), type: 'funds_low', secondsLeft: i })
    }
    const second = await house.connect()
    while ((await second.next('funds_low'))['requestId'] !== 'req_100') continue
    expect(second.frames.slice(1, 3).map((frame) => frame['requestId'])).toEqual([
      'req_37',
      'req_38',
    ])
  })

  test('closing tells every socket that the server goes away', async () => {
    const socket = await house.connect()
    await house.closeSockets()
    expect(await socket.closed).toBe(1001)
    expect(await house.refusal()).toMatchObject({ status: 503, body: { _tag: 'Unavailable' } })
  })
})
