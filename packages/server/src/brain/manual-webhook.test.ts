// Manual mode by webhook against a real server on loopback, and the way between sockets and webhooks.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Directive } from '@saperly/contract'
import { Cancelled } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { verify } from '../webhook/sign.ts'
import { ManualWebhook } from './manual-webhook.ts'
import { BrainLost } from './port.ts'
import { collect, ManualHouse, never, turn } from './testing.ts'

let house: ManualHouse
beforeEach(async () => {
  house = await ManualHouse.open()
})
afterEach(() => house.close())

describe('by webhook', () => {
  type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void
  let answer: Answer
  let requests: { headers: Record<string, string>; body: string }[]
  let url: string
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
    request.on('end', () => {
      requests.push({ headers: request.headers as Record<string, string>, body })
      answer(request, response, body)
    })
  })
  const json =
    (value: unknown): Answer =>
    (_, response) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify(value))

  beforeEach(async () => {
    requests = []
    answer = json({ directives: [{ type: 'speak', text: 'Hi.' }] })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })
  afterEach(async () => {
    server.closeAllConnections()
    await new Promise<void>((done) => server.close(() => done()))
  })

  const hook = (target = url): ManualWebhook =>
    new ManualWebhook(house.deps, { url: target, environment: 'test', secrets: [house.secret] })

  test('the event is the body, signed with the manual secret', async () => {
    const { brain } = house.brain([hook()])
    const event = turn('req_1')
    expect(await collect(brain.ask(event, never))).toEqual([{ type: 'speak', text: 'Hi.' }])
    expect(brain.kind).toBe('manual_webhook')
    expect(JSON.parse(requests[0]!.body)).toEqual(event)
    expect(verify(requests[0]!, [house.secret], house.clock.now())).toEqual({
      ok: true,
      value: { deliveryId: 'req_1' },
    })
  })

  test('lines are carried out as they arrive, bad ones passed over', async () => {
    let finish = (): void => undefined
    answer = (_, response) => {
      response.setHeader('content-type', 'application/x-ndjson')
      response.write('{"type":"speak","text":"One.","more":true}\n{"type":"dan')
      finish = () => response.end('ce"}\r\n\n{"type":"hangup"}')
    }
    const { brain } = house.brain([hook()])
    const directives: Directive[] = []
    for await (const directive of brain.ask(turn('req_1'), never)) {
      directives.push(directive)
      finish()
    }
    expect(directives.map((directive) => directive.type)).toEqual(['speak', 'hangup'])
  })

  test('a broken connection is tried once more, then the next route is', async () => {
    answer = (request) => request.socket.destroy()
    const second = hook()
    const { brain } = house.brain([hook(), second])
    const asked = collect(brain.ask(turn('req_1'), never)).catch((error) => error)
    expect(await asked).toBeInstanceOf(BrainLost)
    expect(requests.map(({ headers }) => headers['x-saperly-delivery-attempt'])).toEqual([
      '1',
      '2',
      '1',
      '2',
    ])
  })

  test('a refusal, and 10 s of silence, mean the next route', async () => {
    const silent = hook()
    const refusing = hook('http://10.0.0.1/')
    const { brain } = house.brain([refusing, silent])
    answer = () => undefined
    const asked = collect(brain.ask(turn('req_1'), never)).catch((error) => error)
    await vi.waitFor(() => expect(requests).toHaveLength(1))
    await house.clock.advance(10_000)
    expect(await asked).toBeInstanceOf(BrainLost)
  })

  test('an answer that is none is an empty answer', async () => {
    for (const value of [{ directives: [{ type: 'dance' }] }, 'text', 7, {}]) {
      answer = json(value)
      expect(await collect(house.brain([hook()]).brain.ask(turn('req_1'), never))).toEqual([])
    }
    answer = (_, response) => response.writeHead(204).end()
    expect(await collect(house.brain([hook()]).brain.ask(turn('req_1'), never))).toEqual([])
  })

  test('events keep their order, and the last one is told before the close', async () => {
    const { brain } = house.brain([hook()])
    brain.tell({ ...house.base('req_1'), type: 'funds_low', secondsLeft: 30 })
    await collect(brain.ask(turn('req_2'), never))
    brain.tell({ ...house.base('req_3'), type: 'funds_low', secondsLeft: 10 })
    await brain.close()
    expect(requests.map(({ body }) => JSON.parse(body).requestId)).toEqual([
      'req_1',
      'req_2',
      'req_3',
    ])
  })

  test('takes over from a socket that does not come back, with the same request', async () => {
    const socket = await house.connect()
    const { brain } = house.brain([hook()])
    const asked = collect(brain.ask(turn('req_1'), never))
    await socket.next('turn')
    socket.ws.terminate()
    await vi.waitFor(() => expect(house.sockets.open).toBe(0))
    brain.tell({ ...house.base('req_2'), type: 'funds_low', secondsLeft: 30 })
    await house.clock.advance(15_000)
    expect(await asked).toEqual([{ type: 'speak', text: 'Hi.' }])
    await vi.waitFor(() => expect(requests).toHaveLength(2))
    const ids = new Set(requests.map(({ body }) => JSON.parse(body).requestId))
    expect(ids).toEqual(new Set(['req_1', 'req_2']))
  })

  test('a socket that has come since is asked when the webhook fails', async () => {
    answer = (_, response) => response.writeHead(500).end()
    const { brain } = house.brain([hook()])
    expect(brain.kind).toBe('manual_webhook')
    const socket = await house.connect()
    const asked = collect(brain.ask(turn('req_1'), never))
    await socket.next('turn')
    socket.say({ requestId: 'req_1', directives: [] })
    expect(await asked).toEqual([])
  })

  test('dropping the answer breaks the request off', async () => {
    let gone = (): void => undefined
    const broken = new Promise<void>((done) => (gone = done))
    answer = (_, response) => response.on('close', gone)
    const { brain } = house.brain([hook()])
    const drop = new AbortController()
    const asked = collect(brain.ask(turn('req_1'), drop.signal)).catch((error) => error)
    await vi.waitFor(() => expect(requests).toHaveLength(1))
    drop.abort(new Cancelled('superseded'))
    expect(await asked).toMatchObject({ reason: 'superseded' })
    await broken
  })
})
