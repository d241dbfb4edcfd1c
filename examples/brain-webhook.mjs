// A brain of your own, over a webhook: every event comes as a signed POST, and the answer is its directives.
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Saperly } from '@saperly/sdk'

const { SAPERLY_API_KEY: apiKey, SAPERLY_URL: baseUrl } = process.env
const saperly = new Saperly({ apiKey, baseUrl })
let secret = ''

/** What to do about an event; nothing for those that only inform. */
function directivesFor(event) {
  switch (event.type) {
    case 'outbound_call':
      return [{ type: 'speak', text: 'Hello! How can I help you?' }]
    case 'turn':
      return [{ type: 'speak', text: `You said: ${event.text} Goodbye.` }]
    default:
      return []
  }
}

async function answer(request, response) {
  const body = await text(request)
  const event = await saperly.manual
    .verify({ body, headers: request.headers, secret })
    .catch(() => null)
  if (event === null) return response.writeHead(401).end()
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ directives: directivesFor(event) }))
  console.log(event.type, event.text ?? '')
  if (event.type === 'call_ended') server.close()
}

const server = createServer((request, response) => void answer(request, response))
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))

const connection = await saperly.connections.create({
  name: 'Echo by webhook',
  mode: 'manual',
  manualWebhookUrl: `http://127.0.0.1:${server.address().port}/`,
})
secret = connection.manualSecret

const [number] = await saperly.numbers.list()
await saperly.consent.record({
  numberId: number.id,
  peerNumber: '+15555550123',
  consentType: 'explicit_outbound',
  source: 'example',
})
await saperly.calls.place({
  fromNumberId: number.id,
  to: '+15555550123',
  connectionId: connection.id,
})
