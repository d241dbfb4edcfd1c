// A language model in miniature: an OpenAI-compatible chat completions endpoint that streams what a rule says.
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'

/** What it answers to the last message of the user. */
function answerTo(said) {
  if (/cost/i.test(said)) return 'It costs nothing in the sandbox. Goodbye.'
  return 'This is a model of your own speaking. How can I help you?'
}

async function complete(request, response) {
  if (request.url !== '/v1/chat/completions') return response.writeHead(404).end()
  const { messages, model } = await json(request)
  const said = messages.findLast(({ role }) => role === 'user')?.content ?? ''
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const send = (delta, reason = null) => {
    const choices = [{ index: 0, delta, finish_reason: reason }]
    const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', model, choices }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  for (const word of answerTo(String(said)).split(/(?<= )/)) send({ content: word })
  send({}, 'stop')
  response.end('data: [DONE]\n\n')
}

/** Starts it on a free port; `close` stops it. */
export async function startModel() {
  const server = createServer((request, response) => void complete(request, response))
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    baseUrl: `http://127.0.0.1:${server.address().port}/v1`,
    close: () => server.close(),
  }
}
