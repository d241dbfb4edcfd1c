// A brain of your own, over a socket: it calls a phone of the sandbox, and says back what it hears.
import { Saperly } from '@saperly/sdk'
import { WebSocket } from 'ws'

const { SAPERLY_API_KEY: apiKey, SAPERLY_URL: baseUrl } = process.env
const saperly = new Saperly({ apiKey, baseUrl, WebSocket })
const [{ id: fromNumberId }] = await saperly.numbers.list()
const { id, manualSecret } = await saperly.connections.create({ name: 'Echo', mode: 'manual' })
const onCall = (call) => {
  call.on('outbound_call', (_, reply) => reply.say('Hello! How can I help you?'))
  call.on('turn', (turn, reply) => reply.say(`You said: ${turn.text} Goodbye.`))
  call.on('call_ended', ({ status }) => brain.close().then(() => console.log(status)))
}
const brain = await saperly.manual.connect({ connectionId: id, secret: manualSecret, onCall })
const peer = { peerNumber: '+15555550123', consentType: 'explicit_outbound', source: 'example' }
await saperly.consent.record({ numberId: fromNumberId, ...peer })
await saperly.calls.place({ fromNumberId, to: peer.peerNumber, connectionId: id })
