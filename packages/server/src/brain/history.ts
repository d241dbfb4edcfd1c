// What a hosted model remembers of its call: what was heard, what it was really heard saying, what it did.
import type { ChatMessage, ToolCall } from './completions.ts'

/** Older entries are forgotten beyond either of these. */
export const MAX_ENTRIES = 120
export const MAX_CHARACTERS = 48_000

/** One answer to one request; what of it has been given to be spoken, then what was heard of it. */
export class Answer {
  readonly requestId: string
  #text = ''
  #cut = false
  readonly #calls: { call: ToolCall; result: string }[] = []

  constructor(requestId: string) {
    this.requestId = requestId
  }

  /** This piece is going to be spoken. */
  says(piece: string): void {
    if (!this.#cut) this.#text += this.#text === '' ? piece : ` ${piece}`
  }

  called(call: ToolCall, result: string): void {
    this.#calls.push({ call, result })
  }

  /** The caller cut in: only `heard` was played, whatever else had been written. */
  cutTo(heard: string): void {
    this.#text = heard
    this.#cut = true
  }

  get characters(): number {
    return this.#calls.reduce(
      (sum, { call, result }) => sum + call.arguments.length + result.length,
      this.#text.length,
    )
  }

  messages(): ChatMessage[] {
    if (this.#calls.length === 0) {
      return this.#text === '' ? [] : [{ role: 'assistant', content: this.#text }]
    }
    const asked = this.#calls.map(({ call: { id, name, arguments: given } }) => ({
      id,
      type: 'function' as const,
      function: { name, arguments: given },
    }))
    return [
      { role: 'assistant', content: this.#text === '' ? null : this.#text, tool_calls: asked },
      ...this.#calls.map(({ call, result }) => ({
        role: 'tool' as const,
        tool_call_id: call.id,
        content: result,
      })),
    ]
  }
}

export class History {
  #entries: (string | Answer)[] = []

  /** Something was heard, or happened. */
  heard(text: string): void {
    this.#add(text)
  }

  /** A new answer begins. One request may take several, when tools have to be tried again. */
  answer(requestId: string): Answer {
    const answer = new Answer(requestId)
    this.#add(answer)
    return answer
  }

  /** Only `heard` of the answer to this request (null: of the last answer) was played. */
  interrupted(requestId: string | null, heard: string): void {
    const id = requestId ?? this.#answers().at(-1)?.requestId
    const [first, ...rest] = this.#answers().filter((answer) => answer.requestId === id)
    first?.cutTo(heard)
    for (const answer of rest) answer.cutTo('')
  }

  /** The answer to this request was dropped before any of it was played. */
  dropped(requestId: string): void {
    this.#entries = this.#entries.filter(
      (entry) => typeof entry === 'string' || entry.requestId !== requestId,
    )
  }

  /** As messages, oldest first. Neighbouring things heard are one message, for models that want turns to alternate. */
  messages(): ChatMessage[] {
    const messages: ChatMessage[] = []
    for (const entry of this.#entries) {
      const last = messages.at(-1)
      if (typeof entry !== 'string') messages.push(...entry.messages())
      else if (last?.role === 'user') last.content += `\n${entry}`
      else messages.push({ role: 'user', content: entry })
    }
    return messages
  }

  #answers(): Answer[] {
    return this.#entries.filter((entry) => entry instanceof Answer)
  }

  #add(entry: string | Answer): void {
    this.#entries.push(entry)
    let characters = this.#entries.reduce((sum, each) => sum + sizeOf(each), 0)
    while (this.#entries.length > MAX_ENTRIES || characters > MAX_CHARACTERS) {
      const oldest = this.#entries.shift()
      if (oldest === undefined || this.#entries.length === 0) break
      characters -= sizeOf(oldest)
    }
  }
}

function sizeOf(entry: string | Answer): number {
  return typeof entry === 'string' ? entry.length : entry.characters
}
