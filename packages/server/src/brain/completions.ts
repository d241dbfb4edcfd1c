// One streamed answer of an OpenAI-compatible chat completions endpoint.
import { z } from 'zod'
import type { Environment } from '@saperly/network'
import type { Dialler } from '../outbound/dialler.ts'
import { DialError } from '../outbound/watch.ts'
import { dataOf } from './sse-parse.ts'

/** A model and where it is asked. */
export interface Model {
  /** Up to, and without, `/chat/completions`. */
  baseUrl: string
  model: string
  apiKey: string | null
}

export interface ToolCall {
  id: string
  name: string
  /** JSON, as the model wrote it. */
  arguments: string
}

export type ChatMessage =
  | { role: 'system' | 'user'; content: string }
  | {
      role: 'assistant'
      content: string | null
      tool_calls?: { id: string; type: 'function'; function: Omit<ToolCall, 'id'> }[]
    }
  | { role: 'tool'; tool_call_id: string; content: string }

/** A tool as the endpoint wants it described. */
export interface Tool {
  type: 'function'
  function: { name: string; description: string; parameters: Record<string, unknown> }
}

/** What a model does: it writes, and it calls tools; calls come whole, after the text. */
export type Delta = { type: 'text'; text: string } | { type: 'call'; call: ToolCall }

/** The model did not answer. `retryable`: nothing had come, and another try may fare better. */
export class ModelFailed extends Error {
  override readonly name = 'ModelFailed'
  readonly retryable: boolean

  constructor(message: string, retryable: boolean) {
    super(message)
    this.retryable = retryable
  }
}

const LIMITS = { connectMs: 4_000, idleMs: 15_000, wholeMs: 90_000, maxBytes: 4 * 1024 * 1024 }
const MAX_CALLS = 8
const MAX_ARGUMENTS = 8 * 1024
const RETRYABLE_STATUS = new Set([408, 425, 429, 500, 502, 503, 504])

const CallPart = z.object({
  index: z.int().nullish(),
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
})
const Said = z.object({ content: z.string().nullish(), tool_calls: z.array(CallPart).nullish() })
const Chunk = z.object({
  choices: z.array(z.object({ delta: Said.nullish(), message: Said.nullish() })).nullish(),
  error: z.unknown().optional(),
})

/**
 * Asks, and gives what comes as it comes. Aborting `signal` breaks the request off.
 * @throws ModelFailed, Cancelled
 */
export async function* complete(
  dialler: Dialler,
  model: Model,
  request: { messages: readonly ChatMessage[]; tools: readonly Tool[]; environment: Environment },
  signal: AbortSignal,
): AsyncGenerator<Delta, void, undefined> {
  const calls = new CallParts()
  let begun = false
  try {
    const response = await dialler.request({
      method: 'POST',
      url: endpointOf(model.baseUrl),
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream, application/json',
        ...(model.apiKey === null ? {} : { authorization: `Bearer ${model.apiKey}` }),
      },
      body: JSON.stringify({
        model: model.model,
        stream: true,
        messages: request.messages,
        ...(request.tools.length > 0 ? { tools: request.tools } : {}),
      }),
      environment: request.environment,
      limits: LIMITS,
      signal,
    })
    if (response.status !== 200) {
      await response.discard()
      const retryable = RETRYABLE_STATUS.has(response.status)
      throw new ModelFailed(`the model answered with status ${response.status}`, retryable)
    }
    const streamed = response.contentType !== 'application/json'
    for await (const data of streamed ? dataOf(response.chunks()) : wholeOf(response.text())) {
      if (data === '[DONE]') {
        response.keepRest()
        break
      }
      const said = readChunk(data)
      begun ||= said !== null
      if (said?.content) yield { type: 'text', text: said.content }
      for (const part of said?.tool_calls ?? []) calls.add(part)
    }
  } catch (error) {
    if (!(error instanceof DialError)) throw error
    throw new ModelFailed(`the model: ${error.kind}`, !begun && error.kind === 'connection')
  }
  for (const call of calls.whole()) yield { type: 'call', call }
}

function endpointOf(baseUrl: string): string {
  if (!URL.canParse(baseUrl)) throw new ModelFailed('the address of the model is none', false)
  const url = new URL(baseUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`
  return url.href
}

async function* wholeOf(body: Promise<string>): AsyncGenerator<string, void, undefined> {
  yield await body
}

function readChunk(data: string): z.output<typeof Said> | null {
  let json: unknown
  try {
    json = JSON.parse(data)
  } catch {
    throw new ModelFailed('the model sent something that is not JSON', false)
  }
  const chunk = Chunk.safeParse(json)
  if (!chunk.success) throw new ModelFailed('the model sent something that is no completion', false)
  if (chunk.data.error) throw new ModelFailed('the model reported an error', false)
  const [choice] = chunk.data.choices ?? []
  return choice?.delta ?? choice?.message ?? null
}

/** Tool calls, put together from their parts: name and id come once, the arguments in pieces. */
class CallParts {
  readonly #calls = new Map<number, ToolCall>()

  add(part: z.output<typeof CallPart>): void {
    // Where the index is missing, a new id (or the first part) begins a call, and anything else goes on with the last.
    const last = this.#calls.size - 1
    const at = part.index ?? (part.id || last < 0 ? last + 1 : last)
    const call = this.#calls.get(at) ?? { id: '', name: '', arguments: '' }
    call.id ||= part.id ?? ''
    call.name ||= part.function?.name ?? ''
    call.arguments += part.function?.arguments ?? ''
    if (this.#calls.size >= MAX_CALLS && !this.#calls.has(at)) {
      throw new ModelFailed(`the model called more than ${MAX_CALLS} tools at once`, false)
    }
    if (call.arguments.length > MAX_ARGUMENTS) {
      throw new ModelFailed('the model called a tool with too much', false)
    }
    this.#calls.set(at, call)
  }

  whole(): ToolCall[] {
    return [...this.#calls.values()].map((call, at) => ({ ...call, id: call.id || `call_${at}` }))
  }
}
