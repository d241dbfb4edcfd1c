// A customer's own brain on whole calls: by webhook, by socket, and the way from one to the next when one is lost.
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openWorld, SocketBrain, type World } from './world.ts'

interface BrainEvent {
  type: string
  requestId: string
  callId: string
  text?: string
  digits?: string
  hangupCause?: string
}

interface CallEvent {
  type: string
  data: Record<string, unknown>
}

interface Request {
  headers: IncomingHttpHeaders
  raw: string
  event: BrainEvent
}

type Directive = Record<string, unknown>
type Answer = (event: BrainEvent, response: ServerResponse) => void

/** The customer's web server: keeps what it was told, and answers as the test says. */
class Hook {
  readonly requests: Request[] = []
  readonly #server: Server
  url = ''

  constructor(answer: Answer) {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8')
        const event: BrainEvent = JSON.parse(raw)
        this.requests.push({ headers: request.headers, raw, event })
        answer(event, response)
      })
    })
  }

  static async open(answer: Answer): Promise<Hook> {
    const hook = new Hook(answer)
    await new Promise<void>((resolve) => hook.#server.listen(0, '127.0.0.1', resolve))
    hook.url = `http://127.0.0.1:${(hook.#server.address() as AddressInfo).port}/brain`
    return hook
  }

  get events(): BrainEvent[] {
    return this.requests.map(({ event }) => event)
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

function answers(response: ServerResponse, ...directives: Directive[]): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ directives }))
}

const says = (text: string): Directive => ({ type: 'speak', text })
const HANG_UP: Directive = { type: 'hangup' }

/** Bodies as the contract signs them, section 7. */
function signatureOf(secret: string, { headers, raw }: Request): string {
  const signed = `${String(headers['x-saperly-timestamp'])}.${raw}`
  return `v1=${createHmac('sha256', secret).update(signed).digest('hex')}`
}

const answer = { do: 'answer' }
const SCRIPTS = {
  talks: [
    answer,
    { do: 'hear', timeoutSec: 40 },
    { do: 'say', text: 'Eine Frage, bitte.' },
    { do: 'wait', ms: 45_000 },
  ],
  brief: [answer, { do: 'wait', ms: 500 }, { do: 'hangUp' }],
  presses: [
    answer,
    { do: 'hear', phrase: 'Erstens', timeoutSec: 30 },
    { do: 'press', digits: '5' },
    { do: 'wait', ms: 30_000 },
  ],
}

describe.concurrent("a customer's brain", { timeout: 60_000 }, () => {
  const hooks: Hook[] = []
  let world: World

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'saperly-scripts-'))
    for (const [name, steps] of Object.entries(SCRIPTS)) {
      await writeFile(join(directory, `${name}.json`), JSON.stringify({ steps }))
    }
    world = await openWorld({ environment: { SANDBOX_SCRIPTS: directory } })
    await rm(directory, { recursive: true })
  })
  afterAll(async () => {
    await world.close()
    await Promise.all(hooks.map((hook) => hook.close()))
  })

  async function open(respond: Answer): Promise<Hook> {
    const hook = await Hook.open(respond)
    hooks.push(hook)
    return hook
  }

  async function callIn(script: keyof typeof SCRIPTS, toNumberId: string): Promise<string> {
    const from = '+15555550155'
    const told = await world.api.post('/sandbox/calls', { from, toNumberId, script })
    expect(told.status).toBe(201)
    return told.body.id
  }

  /** The events of a call as they happen, until it ends. */
  async function* live(callId: string): AsyncGenerator<CallEvent, void, undefined> {
    const headers = { authorization: `Bearer ${world.token}`, accept: 'text/event-stream' }
    const { body } = await fetch(`${world.url}/calls/${callId}/events`, { headers })
    let rest = ''
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const line of lines) if (line.startsWith('data:')) yield JSON.parse(line.slice(5))
    }
  }

  /** The call and all of its events, once it is final. */
  async function over(callId: string) {
    const events: CallEvent[] = []
    for await (const event of live(callId)) events.push(event)
    const { body: call } = await world.api.get(`/calls/${callId}`)
    const { body: transcript } = await world.api.get(`/calls/${callId}/transcript`)
    const agent = transcript.turns.filter(({ role }: { role: string }) => role === 'agent')
    const spoken: string[] = agent.map(({ text }: { text: string }) => text)
    const brain = events.find(({ type }) => type === 'answered')?.data['brain']
    return { call, events, spoken, brain }
  }

  test('gets each event by webhook, signed, and answers in JSON', async () => {
    const hook = await open(({ type, text }, response) => {
      if (type === 'inbound_call') answers(response, says('Grüß Gott.'))
      else if (type === 'turn') answers(response, says(`Sie sagten: ${text}`), HANG_UP)
      else response.end()
    })
    const line = await world.api.line({ manualWebhookUrl: hook.url })
    const callId = await callIn('talks', line.numberId)
    const { call, events, spoken, brain } = await over(callId)
    expect(spoken).toEqual(['Grüß Gott.', 'Sie sagten: Eine Frage, bitte.'])
    // How the call sounded comes before its end, and is no business of the brain's.
    const [quality, ended] = events.slice(-2)
    expect([quality?.type, ended?.type]).toEqual(['quality', 'ended'])
    expect(quality?.data).toMatchObject({ span: 'call', codec: 'PCMU' })
    expect(quality?.data['packetsReceived']).toBeGreaterThan(50)
    expect(quality?.data['mos']).toBeGreaterThan(1)
    expect([call.status, call.hangupCause, brain]).toEqual(['completed', 'agent_hangup', 'manual'])
    await world.until('the last event', async () => hook.events.at(-1)?.type === 'call_ended')
    expect(hook.events.map(({ type }) => type)).toEqual(['inbound_call', 'turn', 'call_ended'])
    expect(hook.events.at(-1)).toMatchObject({ callId, hangupCause: 'agent_hangup' })
    for (const request of hook.requests) {
      expect(request.headers).toMatchObject({
        'content-type': 'application/json',
        'x-saperly-delivery-id': request.event.requestId,
        'x-saperly-delivery-attempt': '1',
        'x-saperly-signature': signatureOf(line.secret, request),
      })
    }
  })

  test('streams directives, each of them carried out as it arrives', async () => {
    const write = (response: ServerResponse, directive: Directive): boolean =>
      response.write(`${JSON.stringify(directive)}\n`)
    let rest = (): void => undefined
    const hook = await open(({ type, digits }, response) => {
      if (type === 'dtmf') return answers(response, says(`Sie drückten ${digits}.`), HANG_UP)
      if (type !== 'inbound_call') return response.end()
      response.setHeader('content-type', 'application/x-ndjson; charset=utf-8')
      write(response, says('Erstens.'))
      rest = () => response.end(`${JSON.stringify(says('Zweitens.'))}\n`)
    })
    const line = await world.api.line({
      manualWebhookUrl: hook.url,
      turnTaking: { interruptible: false },
    })
    const callId = await callIn('presses', line.numberId)
    // The phone presses it because it has heard the first directive, while the second is not written yet.
    for await (const { type } of live(callId)) {
      if (type === 'dtmf') break
    }
    rest()
    const { spoken } = await over(callId)
    expect(spoken).toEqual(['Erstens.', 'Zweitens.', 'Sie drückten 5.'])
  })

  test('is asked once more when the connection breaks', async () => {
    let broken = false
    const hook = await open(({ type }, response) => {
      if (type === 'inbound_call' && !broken) {
        broken = true
        return response.destroy()
      }
      answers(response, says('Da bin ich.'), HANG_UP)
    })
    const line = await world.api.line({ manualWebhookUrl: hook.url })
    const { spoken } = await over(await callIn('talks', line.numberId))
    expect(spoken).toEqual(['Da bin ich.'])
    const [first, again] = hook.requests
    expect(again!.raw).toBe(first!.raw)
    expect(again!.headers).toMatchObject({
      'x-saperly-delivery-id': first!.headers['x-saperly-delivery-id'],
      'x-saperly-delivery-attempt': '2',
      'x-saperly-signature': signatureOf(line.secret, again!),
    })
  })

  test("is the connection's webhook, else the number's, else nobody: an apology", async () => {
    const first = await open((_, response) => response.writeHead(500).end())
    const second = await open(({ type }, response) => {
      if (type === 'inbound_call') answers(response, says('Hier die Nummer.'))
      else response.writeHead(503).end()
    })
    const line = await world.api.line({ manualWebhookUrl: first.url })
    await world.api.post(`/numbers/${line.numberId}/webhook`, { url: second.url })
    const { call, spoken } = await over(await callIn('talks', line.numberId))
    expect(first.events.map(({ type }) => type)).toEqual(['inbound_call'])
    expect(second.events.slice(0, 2).map(({ type }) => type)).toEqual(['inbound_call', 'turn'])
    expect(second.events[0]).toEqual(first.events[0])
    expect([call.status, call.hangupCause]).toEqual(['completed', 'no_brain'])
    expect(spoken[0]).toBe('Hier die Nummer.')
    expect(spoken[1]).toMatch(/sorry/)
    expect(spoken).toHaveLength(2)
  })

  test('is the demo where there is none, and the events say so', async () => {
    const line = await world.api.line()
    const { call, brain } = await over(await callIn('brief', line.numberId))
    expect([call.status, call.hangupCause, brain]).toEqual(['completed', 'peer_hangup', 'demo'])
  })

  test('that loses its socket gets its event again on the next one', async () => {
    const line = await world.api.line()
    const lost = await SocketBrain.connect(world.url, line, ({ type }) =>
      type === 'inbound_call' ? [says('Guten Tag.')] : null,
    )
    const callId = await callIn('talks', line.numberId)
    await world.until('the turn', async () => lost.of('turn').length > 0)
    await lost.close()
    const next = await SocketBrain.connect(world.url, line, ({ type }) =>
      type === 'turn' ? [says('Wieder da.'), HANG_UP] : null,
    )
    const { call, spoken, brain } = await over(callId)
    expect(next.of('ready')[0].calls).toMatchObject([{ callId, direction: 'inbound' }])
    expect(next.of('turn')).toEqual(lost.of('turn'))
    expect(spoken.filter((text) => text !== 'One moment, please.')).toEqual([
      'Guten Tag.',
      'Wieder da.',
    ])
    expect([call.hangupCause, brain]).toEqual(['agent_hangup', 'manual'])
    await world.until('the end', async () => next.of('call_ended').length > 0)
    await next.close()
  })

  test('is a socket before any webhook, which goes on when no socket comes back', async () => {
    const hook = await open(({ type }, response) => {
      if (type === 'turn') answers(response, says('Hier der Webhook.'), HANG_UP)
      else response.end()
    })
    const line = await world.api.line({
      manualWebhookUrl: hook.url,
      turnTaking: { filler: 'Moment.', fillerAfterMs: 1000 },
    })
    const socket = await SocketBrain.connect(world.url, line, ({ type }) =>
      type === 'inbound_call' ? [says('Hier der Socket.')] : null,
    )
    const callId = await callIn('talks', line.numberId)
    await world.until('the turn', async () => socket.of('turn').length > 0)
    expect(hook.events).toEqual([])
    await socket.close()
    const { spoken, events, call } = await over(callId)
    expect(spoken).toEqual(['Hier der Socket.', 'Hier der Webhook.'])
    expect(hook.events[0]).toEqual(socket.of('turn')[0])
    expect(events.filter(({ data }) => data['source'] === 'filler')).toHaveLength(1)
    expect(call.hangupCause).toBe('agent_hangup')
  })
})
