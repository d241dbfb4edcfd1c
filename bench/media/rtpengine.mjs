// rtpengine in user space as a relay of the same streams, driven by its ng protocol (bencode over UDP).
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const COMMAND = 'rtpengine'
const TICKS_PER_SEC = 100

export function haveRtpengine() {
  return spawnSync(COMMAND, ['--version']).status === 0
}

function bencode(value) {
  if (typeof value === 'string') return `${Buffer.byteLength(value)}:${value}`
  if (Array.isArray(value)) return `l${value.map(bencode).join('')}e`
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `d${entries.map(([key, each]) => bencode(key) + bencode(each)).join('')}e`
}

/** The SDP in an ng answer: the string after its key. */
function sdpOf(answer) {
  const found = /3:sdp(\d+):/.exec(answer)
  if (!found) throw new Error(`rtpengine refused: ${answer}`)
  return answer.slice(found.index + found[0].length).slice(0, Number(found[1]))
}

const portIn = (text) => Number(/m=audio (\d+)/.exec(text)[1])

const sdp = (port) =>
  [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    '',
  ].join('\r\n')

/**
 * Starts it with one worker thread; `open` gives the ports that lead to `port`: the callers' side of each call, or with
 * `bothWays` the callees' too.
 */
export async function startRtpengine() {
  const folder = await mkdtemp(join(tmpdir(), 'saperly-rtpengine-'))
  const ngPort = await freePort()
  const child = spawn(
    COMMAND,
    [
      '--foreground',
      '--log-stderr',
      '--log-level=3',
      '--table=-1',
      '--num-threads=1',
      '--interface=127.0.0.1',
    ]
      .concat([`--listen-ng=127.0.0.1:${ngPort}`, `--pidfile=${join(folder, 'pid')}`])
      .concat(['--port-min=40000', '--port-max=59999', '--timeout=3600', '--silent-timeout=3600']),
    { stdio: 'ignore' },
  )
  const socket = createSocket('udp4')
  const waiting = new Map()
  socket.on('message', (data) => {
    const text = data.toString()
    const [cookie] = text.split(' ', 1)
    waiting.get(cookie)?.(text.slice(cookie.length + 1))
    waiting.delete(cookie)
  })
  let cookies = 0
  const ask = async (command) => {
    for (let tries = 0; tries < 20; tries++) {
      const cookie = `c${cookies++}`
      const answer = new Promise((resolve) => waiting.set(cookie, resolve))
      socket.send(`${cookie} ${bencode(command)}`, ngPort, '127.0.0.1')
      const late = new Promise((resolve) => setTimeout(resolve, 500, null))
      const text = await Promise.race([answer, late])
      if (text !== null) return text
    }
    throw new Error('rtpengine does not answer')
  }
  await ask({ command: 'ping' })
  return {
    open: async (calls, port, bothWays) => {
      const ports = []
      for (let i = 0; i < calls; i++) {
        const call = { 'call-id': `call${i}`, 'from-tag': 'a', sdp: sdp(port), ICE: 'remove' }
        const offered = sdpOf(await ask({ ...call, command: 'offer' }))
        const answered = sdpOf(await ask({ ...call, command: 'answer', 'to-tag': 'b' }))
        // What the caller is told: it sends there, and it comes out at the callee.
        ports.push(portIn(answered))
        if (bothWays) ports.push(portIn(offered))
      }
      return ports
    },
    cpuMs: async () => {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC) * 1000
    },
    pid: child.pid,
    stop: async () => {
      socket.close()
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function freePort() {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}
