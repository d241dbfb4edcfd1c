// Our own part of a turn: last packet of the caller → turn out, and first directive → first packet.
//
// Apart from the deliberate silence wait and from the models' time (recogniser and voice), which the network reports.
import { WebSocket } from 'ws'
import { openServer, percentile, table } from './measure.mjs'

const TURNS = 30
const SCRIPTED_PEER = '+15555550123'

export default async function turn() {
  const { server, api, close } = await openServer()
  const overheads = { hear: [], brain: [], speak: [], whole: [] }
  const turns = new Map()
  server.network.subscribe((event) => {
    if (event.type === 'turn') {
      turns.set(event.callId, event.endpointingMs - event.waitMs)
      overheads.hear.push(event.endpointingMs - event.waitMs)
    }
    if (event.type === 'speaking' && turns.has(event.callId)) {
      overheads.speak.push(event.wireMs)
      overheads.whole.push(turns.get(event.callId) + event.wireMs)
      turns.delete(event.callId)
    }
  })
  const connection = (
    await api.post('/connections', { name: 'bench', mode: 'manual', complianceEnabled: false })
  ).body
  const number = (await api.post('/numbers')).body
  await api.post(`/numbers/${number.id}/connection`, { connectionId: connection.id })
  await api.post('/consent', {
    numberId: number.id,
    peerNumber: SCRIPTED_PEER,
    consentType: 'explicit_outbound',
    source: 'bench',
  })
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/manual/${connection.id}`, {
    headers: { authorization: `Bearer ${connection.manualSecret}` },
  })
  let left = TURNS
  const done = new Promise((resolve) => {
    socket.on('message', (data) => {
      const event = JSON.parse(data)
      if (!['outbound_call', 'turn', 'silence'].includes(event.type)) {
        if (event.type === 'call_ended') placeNext()
        return
      }
      if (event.type === 'turn' && --left <= 0) resolve()
      const directives = [{ type: 'speak', text: 'Yes, please go on.' }]
      socket.send(JSON.stringify({ requestId: event.requestId, directives }))
    })
  })
  const placeNext = () => {
    if (left > 0) void api.post('/calls', { fromNumberId: number.id, to: SCRIPTED_PEER })
  }
  await new Promise((resolve) => socket.once('open', resolve))
  placeNext()
  await done
  const row = (what, values) => ({
    what,
    n: values.length,
    'p50 ms': percentile(values, 0.5),
    'p95 ms': percentile(values, 0.95),
  })
  table([
    row('last caller packet → turn out, without the silence wait', overheads.hear),
    row('first audio of the answer → first packet', overheads.speak),
    row('both', overheads.whole),
  ])
  socket.close()
  await close()
}
