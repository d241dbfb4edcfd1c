// A hosted connection on a model of your own: the platform hears, asks the model, and speaks its answer as it is written.
import { Saperly } from '@saperly/sdk'
import { startModel } from './model.mjs'

const { SAPERLY_API_KEY: apiKey, SAPERLY_URL: baseUrl } = process.env
const saperly = new Saperly({ apiKey, baseUrl })
const model = await startModel()

const connection = await saperly.connections.create({
  name: 'On my own model',
  mode: 'hosted',
  instructions: 'You answer the phone. Be brief.',
  llm: { kind: 'openai_compatible', baseUrl: model.baseUrl, model: 'rules-1' },
})

const [number] = await saperly.numbers.list()
await saperly.consent.record({
  numberId: number.id,
  peerNumber: '+15555550123',
  consentType: 'explicit_outbound',
  source: 'example',
})
const call = await saperly.calls.place({
  fromNumberId: number.id,
  to: '+15555550123',
  connectionId: connection.id,
})

for await (const event of saperly.calls.events(call.id, { live: true })) {
  if (event.type === 'turn') console.log(`caller: ${event.data.text}`)
  if (event.type === 'speak') console.log(`agent:  ${event.data.text}`)
  if (event.type === 'ended') console.log(`${event.data.status}, ${event.data.costCents} cents`)
}
model.close()
