// Server-sent events, read from the body of a response (the WHATWG "event stream" format).

/** Longest event in UTF-16 units; a stream that sends more is broken. */
const MAX_EVENT_LENGTH = 1024 * 1024

export interface ServerSentEvent {
  id: string | null
  event: string
  data: string
}

/** The events of a body, and `null` for each comment: a sign of life. Lets go of the body when it is left. */
export async function* serverSentEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerSentEvent | null, void, undefined> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  let fields: string[] = []
  let length = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      rest += decoder.decode(value, { stream: true })
      const lines = rest.split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      for (const line of lines) {
        length += line.length
        if (line === '') {
          const event = eventOf(fields)
          fields = []
          length = 0
          if (event) yield event
        } else if (line.startsWith(':')) yield null
        else fields.push(line)
      }
      if (length + rest.length > MAX_EVENT_LENGTH) throw new Error('an event is too long')
    }
  } finally {
    // A body that broke off can't be cancelled any more, and needn't be.
    await reader.cancel().catch(() => undefined)
  }
}

function eventOf(lines: readonly string[]): ServerSentEvent | null {
  const event: ServerSentEvent = { id: null, event: 'message', data: '' }
  const data: string[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') data.push(value)
    else if (name === 'id') event.id = value
    else if (name === 'event') event.event = value
  }
  return data.length === 0 ? null : { ...event, data: data.join('\n') }
}
