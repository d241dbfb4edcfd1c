// Text that arrives in pieces, cut into lines: what newline-delimited JSON and server-sent events are made of.
import { DialError } from '../outbound/watch.ts'

/** Longest line in UTF-16 units. */
export const MAX_LINE_LENGTH = 256 * 1024

/** The lines of a UTF-8 body, without their ends (LF, CRLF or CR); the last one may lack its end. */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    // A CR at the very end may be half of a CRLF: it waits for the next piece.
    const cut = rest.endsWith('\r') ? rest.length - 1 : rest.length
    const lines = rest.slice(0, cut).split(/\r\n|\n|\r/)
    rest = lines.pop()! + rest.slice(cut)
    if (rest.length > MAX_LINE_LENGTH) throw new DialError('too_large', 'a line is too long')
    yield* lines
  }
  rest += decoder.decode()
  if (rest !== '') yield rest.replace(/\r$/, '')
}
