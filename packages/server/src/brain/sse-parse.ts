// Server-sent events, as a language model streams them (the HTML standard, section 9.2.6). Only `data` matters here.
import { linesOf } from './lines.ts'

/** Data lines of one event; what goes beyond is no answer of a model. */
const MAX_DATA_LINES = 1024

/** The `data` of each event, its lines joined. An event that the end of the body cuts off counts as well. */
export async function* dataOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  let data: string[] = []
  for await (const line of linesOf(chunks)) {
    if (line === '') {
      if (data.length > 0) yield data.join('\n')
      data = []
      continue
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line)!
    if (field === 'data' && data.length < MAX_DATA_LINES) data.push(value!)
  }
  if (data.length > 0) yield data.join('\n')
}
