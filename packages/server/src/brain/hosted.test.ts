// The hosted brain against an OpenAI-compatible endpoint on loopback that does all that real ones do, and worse.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connectionDefaults, type ManualEvent } from '@saperly/contract'
import { assert, Cancelled, silentLog, SystemClock } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { addressPolicy } from '../outbound/address.ts'
import { Dialler } from '../outbound/dialler.ts'
import type { ChatMessage } from './completions.ts'
import type { CallControl } from './control.ts'
import { HostedBrain } from './hosted.ts'
import { collect, never, turn } from './testing.ts'
import { BrainLost, type BrainDirective } from './port.ts'

interface Asked {
  url: string
  authorization: string | undefined
  body: {
    model: string
    stream: boolean
    messages: ChatMessage[]
    tools: { function: { name: string } }[]
  }
}

const control: CallControl = {
  endCall: true,
  sendDtmf: true,
  transfer: { targets: ['+15555550111'], from: null },
}

let clock: SystemClock
let dialler: Dialler
let asked: Asked[]
let answer: (response: ServerResponse, round: number) => void
let baseUrl: string
let ports: Set<number | undefined>
const server = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
  request.on('end', () => {
    ports.add(request.socket.remotePort)
    const { url = '', headers } = request
    const parsed = JSON.parse(body) as Asked['body']
    asked.push({ url, authorization: headers.authorization, body: parsed })
    answer(response, asked.length)
  })
})

beforeEach(async () => {
  clock = new SystemClock()
  dialler = new Dialler(addressPolicy([], '127.0.0.1'), clock)
  asked = []
  ports = new Set()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`
})

afterEach(async () => {
  await dialler.close()
  server.closeAllConnections()
  await new Promise<void>((done) => server.close(() => done()))
  assert(clock.pending() === 0 && dialler.open === 0, 'something leaked')
})

function brain(instructions: string | null = 'Sell socks.'): HostedBrain {
  const call = {
    callId: 'call_1',
    tenant: { workspaceId: 'ws_1', environment: 'test' as const },
    connectionId: 'conn_1',
    numberId: 'num_1',
    direction: 'outbound' as const,
    from: '+15555550199',
    to: '+15555550123',
    instructions,
    onDirective: () => undefined,
  }
  const model = { baseUrl, model: 'tiny', apiKey: 'secret' }
  return new HostedBrain({ dialler, log: silentLog }, call, {
    model,
    control,
    language: connectionDefaults.language,
  })
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const chunk = (delta: unknown): string => data({ choices: [{ index: 0, delta }] })
const part = (
  index: number,
  id: string | undefined,
  name: string | undefined,
  args: string,
): string =>
  chunk({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: args } }] })

/** Streams these pieces of the body, and ends it. */
function streams(response: ServerResponse, ...pieces: string[]): void {
  response.setHeader('content-type', 'text/event-stream; charset=utf-8')
  for (const piece of pieces) response.write(piece)
  response.end('data: [DONE]\n\n')
}

const writes =
  (...texts: string[]) =>
  (response: ServerResponse): void =>
    streams(
      response,
      chunk({ role: 'assistant', content: '' }),
      ...texts.map((content) => chunk({ content })),
    )

const texts = (directives: BrainDirective[]): string[] =>
  directives.map((directive) => (directive.type === 'speak' ? directive.text : directive.type))
const messages = (round: number): ChatMessage[] => asked[round - 1]!.body.messages.slice(1)
const event = (more: object): ManualEvent =>
  ({ requestId: 'req_x', callId: 'call_1', at: '', ...more }) as ManualEvent

describe('a hosted answer', () => {
  test('asks the model with the instructions, the rules and the tools', async () => {
    answer = writes('Hi.')
    await collect(brain('Only about socks.').ask(turn('req_1', 'good morning'), never))
    const [{ url, authorization, body }] = asked as [Asked]
    expect([url, authorization, body.model, body.stream]).toEqual([
      '/v1/chat/completions',
      'Bearer secret',
      'tiny',
      true,
    ])
    expect(body.messages[0]!.content).toMatch(/^Only about socks\.\n\nRules of the phone:/)
    expect(body.messages[0]!.content).toContain('knows only set phrases')
    expect(messages(1)).toEqual([{ role: 'user', content: 'good morning' }])
    expect(body.tools.map((tool) => tool.function.name)).toEqual([
      'end_call',
      'transfer_call',
      'send_digits',
      'opt_out',
      'expect_replies',
    ])
  })

  test('is spoken sentence by sentence while the model still writes', async () => {
    let goOn = (): void => undefined
    answer = (response) => {
      response.setHeader('content-type', 'text/event-stream')
      for (const content of ['It is', ' noon. ', 'Any']) response.write(chunk({ content }))
      goOn = () => response.end(`${chunk({ content: 'thing else?' })}data: [DONE]\n\n`)
    }
    const given: BrainDirective[] = []
    for await (const directive of brain().ask(turn('req_1'), never)) {
      given.push(directive)
      goOn()
    }
    expect(given).toEqual([
      { type: 'speak', text: 'It is noon.', more: true },
      { type: 'speak', text: 'Anything else?' },
    ])
  })

  test('keeps the connection for the next turn', async () => {
    answer = writes('Yes.')
    const one = brain()
    for (const id of ['req_1', 'req_2', 'req_3']) {
      await collect(one.ask(turn(id), never))
      await vi.waitFor(() => expect(dialler.open).toBe(0))
    }
    expect(ports.size).toBe(1)
  })

  test('may come whole from an endpoint that does not stream', async () => {
    answer = (response) => {
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'One. Two.' } }] }),
      )
    }
    expect(texts(await collect(brain().ask(turn('req_1'), never)))).toEqual(['One.', 'Two.'])
  })

  test('is remembered as far as it was heard', async () => {
    answer = writes('First sentence. ', 'Second sentence.')
    const one = brain()
    await collect(one.ask(turn('req_1', 'hello'), never))
    one.tell(
      event({
        type: 'interrupted',
        answering: 'req_1',
        heard: 'First',
        heardMs: 300,
        basis: 'exact',
      }),
    )
    await collect(one.ask({ ...turn('req_2', 'wait'), interrupted: { heard: 'First' } }, never))
    expect(messages(2)).toEqual([
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'First' },
      { role: 'user', content: 'wait' },
    ])
  })

  test('that was superseded is forgotten, and breaks the request off', async () => {
    let gone = (): void => undefined
    const broken = new Promise<void>((done) => (gone = done))
    answer = (response, round) => {
      if (round > 1) return writes('Both.')(response)
      response.setHeader('content-type', 'text/event-stream')
      response.write(chunk({ content: 'One thing. And' }))
      response.on('close', gone)
    }
    const one = brain()
    const drop = new AbortController()
    const given: BrainDirective[] = []
    const first = (async () => {
      for await (const directive of one.ask(turn('req_1', 'I want'), drop.signal)) {
        given.push(directive)
        drop.abort(new Cancelled('superseded'))
      }
    })().catch((error: unknown) => error)
    expect(await first).toMatchObject({ reason: 'superseded' })
    await broken
    one.tell(event({ type: 'cancelled', superseded: 'req_1' }))
    await collect(one.ask(turn('req_2', 'socks'), never))
    expect(texts(given)).toEqual(['One thing.'])
    expect(messages(2)).toEqual([{ role: 'user', content: 'I want\nsocks' }])
  })
})

describe('tools', () => {
  test('split over deltas are carried out after what was said', async () => {
    answer = (response) =>
      streams(
        response,
        chunk({ content: 'One moment.' }),
        part(0, 'a', 'send_digits', '{"dig'),
        part(1, 'b', 'transfer_call', ''),
        part(0, undefined, undefined, 'its":"12#"}'),
        part(1, undefined, undefined, '{"to":"+15555550111"}'),
      )
    expect(await collect(brain().ask(turn('req_1'), never))).toEqual([
      { type: 'speak', text: 'One moment.', more: true },
      { type: 'send_dtmf', digits: '12#' },
      { type: 'transfer', to: '+15555550111' },
    ])
  })

  test.each([
    ['end_call', '{}', { type: 'hangup' }],
    ['opt_out', '', { type: 'opt_out' }],
    ['send_digits', '{"digits":"5"}', { type: 'send_dtmf', digits: '5' }],
  ])('%s needs no words', async (name, args, directive) => {
    answer = (response) => streams(response, part(0, 'a', name, args))
    expect(await collect(brain().ask(turn('req_1'), never))).toEqual([directive])
    expect(asked).toHaveLength(1)
  })

  test('that are not allowed are answered with why, and the model is asked again', async () => {
    answer = (response, round) =>
      round === 1
        ? streams(response, part(0, 'a', 'transfer_call', '{"to":"+15555550999"}'))
        : writes('I cannot do that.')(response)
    const given = await collect(brain().ask(turn('req_1'), never))
    expect(given).toEqual([{ type: 'speak', text: 'I cannot do that.' }])
    expect(messages(2).at(-1)).toMatchObject({
      role: 'tool',
      tool_call_id: 'a',
      content: 'This is not one of the targets.',
    })
  })

  test('announcing replies without a word asks the model for the words', async () => {
    answer = (response, round) =>
      round === 1
        ? streams(response, part(0, 'a', 'expect_replies', '{"phrases":["red","blue"]}'))
        : writes('Red or blue?')(response)
    expect(await collect(brain().ask(turn('req_1'), never))).toEqual([
      { type: 'wait_for_user', expect: { phrases: ['red', 'blue'] } },
      { type: 'speak', text: 'Red or blue?' },
    ])
  })

  test('that never come right are asked for three times, no more', async () => {
    answer = (response) => streams(response, part(0, 'a', 'nonsense', '{'))
    expect(await collect(brain().ask(turn('req_1'), never))).toEqual([])
    expect(asked).toHaveLength(3)
  })
})

describe('a model that fails', () => {
  const lost = async (): Promise<unknown> =>
    collect(brain().ask(turn('req_1'), never)).catch((error: unknown) => error)

  test('before the first token is asked once more', async () => {
    answer = (response, round) =>
      round === 1 ? response.socket?.destroy() : writes('Back again.')(response)
    expect(texts(await collect(brain().ask(turn('req_1'), never)))).toEqual(['Back again.'])
    answer = (response, round) =>
      round === 3 ? response.writeHead(503).end() : writes('And again.')(response)
    expect(texts(await collect(brain().ask(turn('req_2'), never)))).toEqual(['And again.'])
  })

  test('twice is lost', async () => {
    answer = (response) => response.socket?.destroy()
    expect(await lost()).toBeInstanceOf(BrainLost)
    expect(asked).toHaveLength(2)
  })

  test('in the middle is lost, and not asked again', async () => {
    answer = (response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write(chunk({ content: 'Half a' }), () => response.destroy())
    }
    expect(await lost()).toBeInstanceOf(BrainLost)
    expect(asked).toHaveLength(1)
  })

  test.each([
    ['a refusal', (response: ServerResponse) => response.writeHead(401).end('no')],
    [
      'an error in the stream',
      (response: ServerResponse) => streams(response, data({ error: {} })),
    ],
    ['no JSON', (response: ServerResponse) => streams(response, 'data: {oops\n\n')],
    ['no completion', (response: ServerResponse) => streams(response, data({ choices: 7 }))],
    [
      'too many tools',
      (response: ServerResponse) =>
        streams(response, ...Array.from({ length: 9 }, (_, at) => part(at, 'x', 'end_call', '{}'))),
    ],
  ])('with %s is lost at once', async (_, fails) => {
    answer = fails
    expect(await lost()).toBeInstanceOf(BrainLost)
    expect(asked).toHaveLength(1)
  })

  test('is broken off when the call ends', async () => {
    answer = () => undefined
    const one = brain()
    const open = collect(one.ask(turn('req_1'), never)).catch((error: unknown) => error)
    await vi.waitFor(() => expect(asked).toHaveLength(1))
    await one.close()
    expect(await open).toBeInstanceOf(Cancelled)
  })
})
