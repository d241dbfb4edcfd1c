// Hosted connections, whole: a phone on the line, and a model behind an OpenAI-compatible endpoint of the test's own.
import assert from 'node:assert/strict'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openWorld, type World } from './world.ts'

interface Message {
  role: string
  content: string | null
  tool_call_id?: string
}

interface CallEvent {
  type: string
  data: Record<string, unknown>
}

interface AgentTurn {
  role: string
  text: string
  heardText: string
  interrupted: boolean
}

interface Asked {
  authorization: string | undefined
  model: string
  stream: boolean
  messages: Message[]
  tools: { function: { name: string; parameters: unknown } }[]
}

/** One streamed completion, written piece by piece. */
class Completion {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
    response.writeHead(200, { 'content-type': 'text/event-stream' })
  }

  /** Token by token, as models write. */
  write(text: string): this {
    for (const content of text.match(/.{1,3}/gsu) ?? []) this.#delta({ content })
    return this
  }

  call(name: string, args: object = {}): this {
    const given = JSON.stringify(args)
    const call = { index: 0, id: `call_${name}`, type: 'function' }
    this.#delta({ tool_calls: [{ ...call, function: { name, arguments: '' } }] })
    this.#delta({ tool_calls: [{ index: 0, function: { arguments: given } }] })
    return this
  }

  end(): void {
    this.#response.end('data: [DONE]\n\n')
  }

  #delta(delta: object): void {
    this.#response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`)
  }
}

type Answer = (completion: Completion, round: number, asked: Asked) => unknown

/** Many models at one address: each has a path of its own, and what it was asked. */
class Models {
  readonly #models = new Map<string, { asked: Asked[]; answer: Answer }>()
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const model = this.#models.get(request.url ?? '')
        if (!model) return response.writeHead(404).end()
        const body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
        const asked = { ...body, authorization: request.headers.authorization }
        model.asked.push(asked)
        model.answer(new Completion(response), model.asked.length, asked)
      })
    })
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  add(answer: Answer): { asked: Asked[]; llm: Record<string, string> } {
    const asked: Asked[] = []
    const path = `/m${this.#models.size}/v1`
    this.#models.set(`${path}/chat/completions`, { asked, answer })
    const baseUrl = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
    return { asked, llm: { kind: 'openai_compatible', baseUrl, model: 'tiny', apiKey: 'k1' } }
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

const answers = { do: 'answer' }
const SCRIPTS = {
  quiet: [answers, { do: 'wait', ms: 40_000 }],
  presses: [
    answers,
    { do: 'hear', phrase: 'erster', timeoutSec: 30 },
    { do: 'press', digits: '5' },
    { do: 'wait', ms: 30_000 },
  ],
  weary: [
    answers,
    { do: 'hear', timeoutSec: 30 },
    { do: 'say', text: 'Ich möchte das alles nicht mehr.' },
    { do: 'wait', ms: 30_000 },
  ],
  rude: [
    answers,
    { do: 'interrupt', afterMs: 2500, text: 'Einen Moment, bitte.' },
    { do: 'wait', ms: 30_000 },
  ],
}
const FROM = '+15555550166'

describe.concurrent('a hosted connection', { timeout: 60_000 }, () => {
  const models = new Models()
  let world: World

  beforeAll(async () => {
    await models.listen()
    const directory = await mkdtemp(join(tmpdir(), 'saperly-scripts-'))
    for (const [name, steps] of Object.entries(SCRIPTS)) {
      await writeFile(join(directory, `${name}.json`), JSON.stringify({ steps }))
    }
    world = await openWorld({ environment: { SANDBOX_SCRIPTS: directory } })
    await rm(directory, { recursive: true })
  })
  afterAll(async () => {
    await world.close()
    await models.close()
  })

  const line = (llm: Record<string, string>, settings: Record<string, unknown> = {}) =>
    world.api.line({ mode: 'hosted', llm, ...settings })

  /** A phone with this script calls the line. */
  async function callIn(
    script: keyof typeof SCRIPTS,
    llm: Record<string, string>,
    settings: Record<string, unknown> = {},
  ): Promise<{ callId: string; numberId: string }> {
    const { numberId } = await line(llm, settings)
    const told = await world.api.post('/sandbox/calls', {
      from: FROM,
      toNumberId: numberId,
      script,
    })
    expect(told.status).toBe(201)
    return { callId: told.body.id, numberId }
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

  async function event(
    callId: string,
    type: string,
    fits: (data: Record<string, unknown>) => boolean,
  ): Promise<CallEvent> {
    for await (const one of live(callId)) if (one.type === type && fits(one.data)) return one
    throw new Error(`${callId} ended without ${type}`)
  }

  async function final(callId: string) {
    const types: string[] = []
    for await (const { type } of live(callId)) types.push(type)
    const { body } = await world.api.get(`/calls/${callId}`)
    expect([types.at(-1), body.phase]).toEqual(['ended', 'ended'])
    return body
  }

  async function agentTurns(callId: string) {
    const { body } = await world.api.get(`/calls/${callId}/transcript`)
    const turns: AgentTurn[] = body.turns
    return turns.filter(({ role }) => role === 'agent')
  }

  test('speaks each sentence when it is complete, while the model still writes', async () => {
    let writeOn = (): void => undefined
    const { asked, llm } = models.add((completion, round) => {
      if (round > 1) return completion.write('Bis bald. ').call('end_call').end()
      completion.write('Mein erster Satz. Und ')
      writeOn = () => completion.write('dann ein zweiter.').end()
    })
    // Digits would cut an answer that can be interrupted.
    const settings = { turnTaking: { interruptible: false } }
    const { callId } = await callIn('presses', llm, settings)
    // The phone presses a digit because it has heard the first sentence.
    await event(callId, 'dtmf', ({ digits }) => digits === '5')
    writeOn()
    const ended = await final(callId)
    expect([ended.status, ended.hangupCause]).toEqual(['completed', 'agent_hangup'])
    expect(asked[1]!.messages.slice(1)).toEqual([
      { role: 'user', content: `[An incoming call from ${FROM} was answered. Greet the caller.]` },
      { role: 'assistant', content: 'Mein erster Satz. Und dann ein zweiter.' },
      { role: 'user', content: '[The other person pressed 5.]' },
    ])
    const spoken = (await agentTurns(callId)).map(({ text }) => text)
    expect(spoken).toEqual(['Mein erster Satz. Und dann ein zweiter.', 'Bis bald.'])
  })

  test('is instructed by the call, else by the connection', async () => {
    const { asked, llm } = models.add((completion) => completion.call('end_call').end())
    const { numberId } = await line(llm, { instructions: 'Sell apples.' })
    const to = '+15555550123'
    await world.api.consent(numberId, to)
    for (const instructions of ['Sell pears.', null]) {
      const placed = await world.api.post('/calls', { fromNumberId: numberId, to, instructions })
      expect(placed.status).toBe(201)
      expect(await final(placed.body.id)).toMatchObject({ hangupCause: 'agent_hangup' })
    }
    const [own, stored] = asked.map(({ messages }) => messages[0]!)
    expect(own).toMatchObject({ role: 'system', content: expect.stringMatching(/^Sell pears\./) })
    expect(own!.content).not.toContain('apples')
    expect(stored!.content).toMatch(/^Sell apples\./)
    expect(asked[0]).toMatchObject({ authorization: 'Bearer k1', model: 'tiny', stream: true })
  })

  test('may not transfer outside of its targets, and presses keys', async () => {
    const { asked, llm } = models.add((completion, round) => {
      if (round === 1) completion.call('transfer_call', { to: '+15555550199' })
      else if (round === 2) completion.write('Ich wähle. ').call('send_digits', { digits: '12#' })
      else completion.call('end_call')
      completion.end()
    })
    const targets = ['+15555550100']
    const { callId } = await callIn('quiet', llm, {
      callControl: { transfer: { targets } },
      turnTaking: { silenceTimeoutSec: 1 },
    })
    await event(callId, 'dtmf', (data) => data['digits'] === '12#' && data['direction'] === 'sent')
    const ended = await final(callId)
    expect(ended.hangupCause).toBe('agent_hangup')
    const transfer = asked[0]!.tools.find(({ function: { name } }) => name === 'transfer_call')
    expect(transfer!.function.parameters).toMatchObject({ properties: { to: { enum: targets } } })
    expect(asked[1]!.messages.at(-1)).toEqual({
      role: 'tool',
      tool_call_id: 'call_transfer_call',
      content: 'This is not one of the targets.',
    })
    const { body: events } = await world.api.get(`/calls/${callId}/events`)
    expect(events.filter(({ type }: { type: string }) => type === 'transfer')).toEqual([])
  })

  test('takes an opt-out in whatever words, for good', async () => {
    const { llm } = models.add((completion, round) => {
      if (round === 1) completion.write('Guten Tag.')
      else completion.call('opt_out')
      completion.end()
    })
    const settings = { complianceEnabled: true, disclosure: 'Eine Maschine spricht.' }
    const { numberId } = await line(llm, settings)
    const from = '+15555550167'
    const body = { from, toNumberId: numberId, script: 'weary' }
    const { body: told } = await world.api.post('/sandbox/calls', body)
    const ended = await final(told.id)
    expect([ended.status, ended.hangupCause]).toEqual(['completed', 'opted_out'])
    const refused = await world.api.post('/calls', { fromNumberId: numberId, to: from })
    expect([refused.status, refused.body._tag]).toEqual([403, 'RecipientOptedOut'])
  })

  test('remembers of an interrupted answer what was heard of it', async () => {
    const long = 'Eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn.'
    const { asked, llm } = models.add((completion, round) => {
      if (round === 1) completion.write(`${long} Und noch ein Satz.`)
      else completion.call('end_call')
      completion.end()
    })
    const { callId } = await callIn('rude', llm)
    await final(callId)
    const [cut] = await agentTurns(callId)
    assert(cut)
    expect(cut.interrupted).toBe(true)
    expect(cut.heardText).not.toBe('')
    expect(long.startsWith(cut.heardText)).toBe(true)
    expect(asked[1]!.messages.slice(2)).toEqual([
      { role: 'assistant', content: cut.heardText },
      { role: 'user', content: 'Einen Moment, bitte.' },
    ])
  })

  test('whose model is gone apologises and ends', async () => {
    const closed = new Models()
    await closed.listen()
    const { llm } = closed.add(() => undefined)
    await closed.close()
    const { callId } = await callIn('quiet', llm)
    const ended = await final(callId)
    expect([ended.status, ended.hangupCause]).toEqual(['completed', 'no_brain'])
    const [apology] = await agentTurns(callId)
    expect(apology).toMatchObject({ text: expect.stringContaining('sorry'), interrupted: false })
  })

  test('fills the time of a slow model', async () => {
    let goOn = (): void => undefined
    const { llm } = models.add((completion) => {
      goOn = () => completion.write('Da bin ich wieder.').call('end_call').end()
    })
    const filler = 'Einen Augenblick.'
    const { callId } = await callIn('quiet', llm, { turnTaking: { fillerAfterMs: 500, filler } })
    const said = await event(callId, 'speak', ({ source }) => source === 'filler')
    expect(said.data['text']).toBe(filler)
    goOn()
    await final(callId)
    const spoken = (await agentTurns(callId)).map(({ text }) => text)
    expect(spoken).toEqual(['Da bin ich wieder.'])
  })
})
