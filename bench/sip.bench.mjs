// CPU of a complete call and calls a second, beside Kamailio as a stateful proxy under the same SIPp load.
//
// Needs SIPp and Kamailio (Debian: sip-tester, kamailio). Each of ours is one process, as is Kamailio's one UDP child.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createSocket } from 'node:dgram'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { table } from './measure.mjs'

const STEADY = { rate: 200, calls: 4_000 }
/** As fast as it goes: SIPp keeps so many calls open and starts one for each that ends. */
const FLAT_OUT = { rate: 20_000, calls: 10_000, open: 50 }
const TICKS_PER_SEC = Number(execFileSync('getconf', ['CLK_TCK']).toString())

export default async function sip() {
  for (const [peer, name] of [
    ['sipp', 'sip-tester'],
    ['kamailio', 'kamailio'],
  ]) {
    if (!process.env.PATH.split(':').some((folder) => existsSync(join(folder, peer)))) {
      console.error(`${peer} is not installed (Debian: apt-get install ${name})`)
      process.exit(1)
    }
  }
  const folder = await mkdtemp(join(tmpdir(), 'saperly-bench-sip-'))
  const rows = []
  const ours = await startOurs()
  rows.push(await measure('our user agent: 7 messages a call', ours, folder))
  ours.child.kill()
  const proxy = await startKamailio(folder)
  rows.push(await measure('Kamailio, stateful proxy: 14 messages a call', proxy, folder))
  proxy.child.kill()
  proxy.callee.kill()
  table(rows)
  const [us, them] = rows
  console.log(
    `one call costs our user agent ${(us['CPU ms a call'] / them['CPU ms a call']).toFixed(1)} × what it costs the proxy, ` +
      `one message ${((us['CPU ms a call'] / 7 / them['CPU ms a call']) * 14).toFixed(1)} ×`,
  )
  await rm(folder, { recursive: true, force: true })
}

async function measure(what, { port, pids }, folder) {
  await drive(port, { rate: 100, calls: 500 }, folder)
  const before = cpuSec(pids())
  const steady = await drive(port, STEADY, folder)
  const cpuMs = ((cpuSec(pids()) - before) * 1000) / STEADY.calls
  const flatOut = await drive(port, FLAT_OUT, folder)
  return {
    what,
    'CPU ms a call': cpuMs,
    'failed of all': `${steady.failed + flatOut.failed} of ${STEADY.calls + FLAT_OUT.calls}`,
    'calls a second, flat out': FLAT_OUT.calls / flatOut.sec,
  }
}

/** Runs SIPp's own caller: INVITE, 180, 200, ACK, BYE, 200. */
async function drive(port, { rate, calls, open = 2_000 }, folder) {
  const args = ['-sn', 'uac', `127.0.0.1:${port}`, '-i', '127.0.0.1', '-nostdin', '-d', '0']
  const limits = ['-r', rate, '-m', calls, '-l', open, '-timeout', '60'].map(String)
  const startedMs = performance.now()
  const child = spawn('sipp', [...args, ...limits, '-trace_stat', '-stf', 'stat.csv', '-fd', '1'], {
    cwd: folder,
    stdio: 'ignore',
  })
  await once(child, 'exit')
  const sec = (performance.now() - startedMs) / 1000
  const [head, ...lines] = readFileSync(join(folder, 'stat.csv'), 'utf8').trim().split('\n')
  const failed = Number(lines.at(-1).split(';')[head.split(';').indexOf('FailedCall(C)')])
  return { sec, failed }
}

async function startOurs() {
  const child = spawn(process.execPath, [new URL('sip/answerer.mjs', import.meta.url).pathname], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(child.stdout, 'data')
  return { child, port: Number(line), pids: () => [child.pid] }
}

async function startKamailio(folder) {
  const [port, calleePort] = [await freePort(), await freePort()]
  const callee = spawn(
    'sipp',
    ['-sn', 'uas', '-i', '127.0.0.1', '-p', String(calleePort), '-nostdin'],
    { cwd: folder, stdio: 'ignore' },
  )
  const file = join(folder, 'kamailio.cfg')
  await writeFile(
    file,
    `#!KAMAILIO
debug=-1
log_stderror=no
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:${port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
request_route {
  # SIPp's own caller knows no routes: what comes inside of a dialog goes on to the callee as well.
  $du = "sip:127.0.0.1:${calleePort}";
  if (!has_totag()) record_route();
  t_relay();
}
`,
  )
  const child = spawn('kamailio', ['-f', file, '-DD', '-Y', folder, '-m', '256', '-M', '16'], {
    stdio: 'ignore',
  })
  await sleep(1500)
  return { child, callee, port, pids: () => [child.pid, ...childrenOf(child.pid)] }
}

function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && existsSync(`/proc/${entry}/stat`))
    .filter((entry) => Number(statOf(entry)[1]) === pid)
    .map(Number)
}

/** The fields of a process's stat file from its state on. */
function statOf(pid) {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
}

/** User and system time of processes with all their threads, seconds. */
function cpuSec(pids) {
  return pids
    .filter((pid) => readdirSync('/proc').includes(String(pid)))
    .map((pid) => statOf(pid))
    .reduce((sum, fields) => sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC, 0)
}

async function freePort() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}
