// The question of the doctor: what hosts answer, which are silent, and names that are not there; nothing stays open.
import { SystemClock, silentLog, systemRandom } from '@saperly/kernel'
import { afterEach, expect, test } from 'vitest'
import { openUdp } from '../sip/transport.ts'
import { UserAgent } from '../sip/user-agent.ts'
import { scriptedDns, trunk } from '../testing-node.ts'
import { askTrunk } from './ask.ts'

const HERE = '127.0.0.1'
const clock = new SystemClock()
const deps = { clock, random: systemRandom, log: silentLog, address: HERE }
let peer: UserAgent | null = null

afterEach(async () => {
  await peer?.close()
  peer = null
  if (clock.pending() > 0) throw new Error('a timer was left behind')
})

async function openPeer(): Promise<number> {
  const transport = await openUdp({ address: HERE, port: 0 })
  peer = new UserAgent({ transport, clock, random: systemRandom, log: silentLog })
  return peer.address.port
}

test('a host that answers, by its address', async () => {
  const port = await openPeer()
  const answers = await askTrunk(trunk('a', { address: HERE, port }), deps, 5_000)
  expect(answers).toEqual([{ host: `${HERE}:${port}`, sipCode: 200 }])
})

test('each host of a name; a silent one is told', async () => {
  const port = await openPeer()
  const silent = await openUdp({ address: HERE, port: 0 })
  const dns = scriptedDns({ '_sip._udp.sip.example.com': [{ address: HERE, port }, silent.local] })
  const settings = trunk('a', silent.local, { address: 'sip.example.com' })
  const answers = await askTrunk(settings, { ...deps, dns }, 400)
  expect(answers).toEqual([
    { host: `${HERE}:${port}`, sipCode: 200 },
    { host: `${HERE}:${silent.local.port}`, sipCode: null },
  ])
  await silent.close()
})

test('a name that is not there has no hosts; a refused connection is silence', async () => {
  const dns = scriptedDns({})
  const gone = trunk('a', { address: HERE, port: 1 }, { address: 'gone.example.com' })
  expect(await askTrunk(gone, { ...deps, dns }, 400)).toEqual([])
  const refused = trunk('a', { address: HERE, port: 1 }, { transport: 'tcp' })
  expect(await askTrunk(refused, deps, 4_000)).toEqual([{ host: `TCP ${HERE}:1`, sipCode: null }])
})
