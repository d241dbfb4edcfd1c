// A soak: so many calls at a time, coming and going for half an hour; memory, sockets, ports and timers must end flat.
//
//   npm run bench -- soak [minutes, 30] [calls at a time, 100]
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { WebSocket } from 'ws'
import { openServer, table } from './measure.mjs'

const PEER = '+15555550123'
const SAMPLE_MS = 60_000
/** A call is ended after so long, seconds: [least, most]. */
const TALK_SEC = [15, 45]
const REFUSED_MS = 2000
/** SIP transactions live on for 32 s, a hung-up leg's ports drain for 30 s. */
const SETTLE_MS = 75_000

export default async function soak([minutes = '30', atOnce = '100'] = []) {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc')
  const { server, api, close } = await openServer(
    { RTP_PORT_MIN: '20000', RTP_PORT_MAX: '29999' },
    { limits: { requestsPerSec: 100_000, burst: 1_000_000, liveCalls: 10_000 } },
  )
  const tenant = { workspaceId: 'ws_default', environment: 'test' }
  await server.store.tables.ledger.topUp(tenant, 100_000_000, 'bench', Date.now())
  const { fromNumberId, socket } = await openBrain(server, api)

  const ends = {}
  let placed = 0
  const stopAtMs = Date.now() + Number(minutes) * 60_000
  const oneCall = async () => {
    const call = await api.post('/calls', { fromNumberId, to: PEER })
    if (call.status !== 201) {
      ends[call.body._tag] = (ends[call.body._tag] ?? 0) + 1
      // As a client does that is told to come back later.
      return sleep(REFUSED_MS * (1 + Math.random()))
    }
    placed++
    const [least, most] = TALK_SEC
    await sleep(1000 * (least + Math.random() * (most - least)))
    const { status, hangupCause } = (await api.post(`/calls/${call.body.id}/end`)).body
    const end = `${status} ${hangupCause}`
    ends[end] = (ends[end] ?? 0) + 1
  }
  const sample = () => {
    collectGarbage()
    const { rss, heapUsed } = process.memoryUsage()
    const { legs, transactions, dialogs } = server.network.counts
    return {
      'RSS MiB': Math.round(rss / 2 ** 20),
      'heap MiB': Math.round(heapUsed / 2 ** 20),
      'open files': readdirSync('/proc/self/fd').length,
      timers: process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
      legs,
      transactions,
      dialogs,
    }
  }

  const rows = [{ minute: 0, placed, ...sample() }]
  const startedMs = Date.now()
  const sampler = setInterval(() => {
    const minute = Math.round((Date.now() - startedMs) / 60_000)
    rows.push({ minute, placed, ...sample() })
    console.log(JSON.stringify({ ...rows.at(-1), ends }))
  }, SAMPLE_MS)
  const lanes = Array.from({ length: Number(atOnce) }, async (_, lane) => {
    // Not all at the same moment.
    await sleep((lane * 1000 * TALK_SEC[1]) / Number(atOnce))
    while (Date.now() < stopAtMs) await oneCall()
  })
  await Promise.all(lanes)
  clearInterval(sampler)
  rows.push({ minute: 'last call ended', placed, ...sample() })
  await sleep(SETTLE_MS)
  rows.push({ minute: 'settled', placed, ...sample() })
  table(rows)
  table(Object.entries(ends).map(([end, calls]) => ({ end, calls })))
  socket.close()
  await close()
}

/** A number whose brain answers each turn with a sentence, for as long as the call lasts. */
async function openBrain(server, api) {
  const settings = { name: 'soak', mode: 'manual', recordingEnabled: true }
  const connection = (await api.post('/connections', settings)).body
  const number = (await api.post('/numbers')).body
  await api.post(`/numbers/${number.id}/connection`, { connectionId: connection.id })
  const consent = { consentType: 'explicit_outbound', source: 'bench' }
  await api.post('/consent', { numberId: number.id, peerNumber: PEER, ...consent })
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/manual/${connection.id}`, {
    headers: { authorization: `Bearer ${connection.manualSecret}` },
  })
  socket.on('message', (data) => {
    const event = JSON.parse(data)
    if (!['outbound_call', 'turn', 'silence'].includes(event.type)) return
    const directives = [{ type: 'speak', text: 'Yes, please go on.' }]
    socket.send(JSON.stringify({ requestId: event.requestId, directives }))
  })
  await new Promise((resolve) => socket.once('open', resolve))
  return { fromNumberId: number.id, socket }
}
