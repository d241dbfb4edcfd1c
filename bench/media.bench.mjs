// Calls in one media worker: CPU and pacing, beside rtpengine relaying the same streams and a bare echo of their packets.
import { fork, spawnSync } from 'node:child_process'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { CODECS } from '../packages/network/dist/codec/codec.js'
import { KEY_BYTES } from '../packages/network/dist/rtp/srtp-keys.js'
import { percentile, table } from './measure.mjs'
import { canCapture, capture, lateness, transit } from './media/arrivals.mjs'
import { haveRtpengine, startRtpengine } from './media/rtpengine.mjs'

const WARM_MS = 4000
const MEASURE_MS = 8000
const PACKETS_PER_SEC = 50
/** Ahead of what else the machine does, where that is allowed: it stands in for an idle one. */
const PRIORITY = -15
const REALTIME_PRIORITY = '10'
let realtime = false

/** Names of rows, and how many calls each is run with. */
const ROWS = [
  ['echo', 600],
  ['rtpengine', 600],
  ['rtpengine both ways', 300],
  ['plain', 300],
  ['plain', 600],
  ["plain, Node's sockets", 600],
  ['srtp', 300],
  ['resampling', 300],
  ['srtp resampling', 300],
  ['opus', 80],
]

/** What a row's name asks for. */
function agreementOf(name, port) {
  const codec = name.includes('opus') ? 'opus' : 'PCMU'
  const { payloadType } = CODECS[codec]
  const key = Buffer.alloc(KEY_BYTES, 7)
  const suite = 'AES_CM_128_HMAC_SHA1_80'
  return {
    remote: { address: '127.0.0.1', port },
    codec,
    payloadType,
    accepts: [{ codec, payloadType }],
    dtmfPayloadType: 101,
    dtmfClockRate: 8000,
    dtmfAccepts: [101],
    ptimeMs: 20,
    srtp: name.includes('srtp')
      ? { suite, sendKey: key, receiveKey: key, receiveMkiBytes: 0 }
      : null,
    direction: 'sendrecv',
  }
}

/** `realtime` runs everything under SCHED_RR; other arguments are rows, as `name:calls`. */
export default async function media(args) {
  realtime = args[0] === 'realtime'
  if (realtime) args.shift()
  const rows =
    args.length > 0
      ? args.map((arg) => arg.split(':')).map(([name, calls]) => [name, Number(calls)])
      : ROWS
  const measured = []
  for (const [name, calls] of rows) {
    if (name.startsWith('rtpengine') && !haveRtpengine()) continue
    measured.push(await measure(name, calls))
    console.log(JSON.stringify(measured.at(-1)))
  }
  table(measured)
}

function child(file) {
  const process = fork(new URL(`./media/${file}`, import.meta.url), {
    stdio: 'inherit',
    // Keys are bytes.
    serialization: 'advanced',
  })
  first(process.pid)
  return {
    pid: process.pid,
    ask: (message, answer) =>
      new Promise((resolve, reject) => {
        const listener = (reply) => {
          if (reply.type === 'failed') reject(new Error(reply.reason))
          if (reply.type !== answer) return
          process.off('message', listener)
          resolve(reply)
        }
        process.on('message', listener)
        process.send(message)
      }),
    stop: () =>
      new Promise((resolve) => {
        process.once('exit', resolve)
        process.send({ type: 'stop' })
      }),
  }
}

function first(pid) {
  // Round robin rather than first in, first out: two busy threads would keep both cores from the compiler's.
  if (realtime) return spawnSync('chrt', ['-r', '-a', '-p', REALTIME_PRIORITY, String(pid)])
  try {
    setPriority(pid, PRIORITY)
  } catch {
    // Not allowed: the figures are then those of the machine as it is.
  }
}

async function subject(name, calls, port, agreement) {
  if (name.startsWith('rtpengine')) {
    const engine = await startRtpengine()
    first(engine.pid)
    const ports = await engine.open(calls, port, name.endsWith('both ways'))
    return {
      ports,
      measure: async () => ({ cpuMs: await engine.cpuMs(), load: null }),
      stop: engine.stop,
    }
  }
  const one = child(name === 'echo' ? 'echo.mjs' : 'subject.mjs')
  const resampling = name.includes('resampling')
  const sockets = name.includes('Node') ? 'node' : 'swept'
  const { ports } = await one.ask(
    { type: 'open', legs: calls, port, agreement, resampling, sockets },
    'opened',
  )
  return { ports, measure: () => one.ask({ type: 'measure' }, 'measured'), stop: one.stop }
}

async function measure(name, calls) {
  const peer = child('peer.mjs')
  const { port } = await peer.ask({ type: 'bind' }, 'bound')
  const agreement = agreementOf(name, port)
  const one = await subject(name, calls, port, agreement)
  void peer.ask({ type: 'start', ports: one.ports, agreement }, 'started')
  await sleep(WARM_MS)
  const [before, countBefore] = [await one.measure(), await peer.ask({ type: 'count' }, 'counted')]
  const beganMs = performance.now()
  await sleep(MEASURE_MS)
  const [after, countAfter] = [await one.measure(), await peer.ask({ type: 'count' }, 'counted')]
  const seconds = (performance.now() - beganMs) / 1000
  // Afterwards: what a capture costs is charged to whoever sends.
  const packets = canCapture() ? await captured(port) : []
  await peer.stop()
  await one.stop()
  const relays = name.startsWith('rtpengine') || name === 'echo'
  const times = relays ? transit(packets) : lateness(packets)
  const core = (after.cpuMs - before.cpuMs) / 1000 / seconds
  const expected = one.ports.length * PACKETS_PER_SEC * seconds
  return {
    what: name,
    calls,
    'core used': core,
    'CPU ms per call and s': (core * 1000) / calls,
    'sent %': (100 * (countAfter.received - countBefore.received)) / expected,
    'late p50 ms': percentile(times, 0.5),
    'late p99 ms': percentile(times, 0.99),
    'slip p99 ms': after.load?.slipP99Ms ?? '–',
    'loop use': after.load?.loopUse ?? '–',
  }
}

async function captured(port) {
  const tap = await capture(port)
  await sleep(MEASURE_MS)
  return tap.stop()
}
