// SIPp from Debian as a peer: one scenario, run once, judged by its exit code.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Endpoint } from '../../packages/network/src/sip/transport.ts'

const ADDRESS = '127.0.0.1'

/** Why SIPp can't be used here, or null when it can. */
export const sippMissing: string | null =
  spawnSync('sipp', ['-v'], { stdio: 'ignore' }).error === undefined
    ? null
    : 'sipp is not installed (Debian: apt-get install sip-tester)'

/** A running scenario that takes `calls` calls. `done` is its exit code: 0 when every call went as written. */
export interface Sipp {
  address: string
  port: number
  done: Promise<number>
  close(): Promise<void>
}

export interface SippOptions {
  /** Over TCP all calls share one connection. */
  protocol?: 'UDP' | 'TCP'
  /** Whom it calls; without one it is called. */
  remote?: Endpoint
  /** False: it sends nothing again, and takes a repeated message for a new one. */
  repeats?: boolean
  /** New calls a second, and how many at one time. */
  rate?: number
  limit?: number
}

/** Runs a scenario for that many calls; it gives up after a minute. */
export async function startSipp(
  scenario: string,
  calls: number,
  { protocol = 'UDP', remote, repeats = true, rate = 10, limit = 1000 }: SippOptions = {},
): Promise<Sipp> {
  const folder = await mkdtemp(join(tmpdir(), 'saperly-sipp-'))
  const file = join(folder, 'scenario.xml')
  await writeFile(file, scenario)
  const port = await freeUdpPort()
  const args = ['-sf', file, '-i', ADDRESS, '-p', String(port), '-m', String(calls)]
  args.push('-t', protocol === 'UDP' ? 'u1' : 't1', '-r', String(rate), '-l', String(limit))
  if (!repeats) args.push('-nr')
  if (remote) args.unshift(`${remote.address}:${remote.port}`)
  const child = spawn('sipp', [...args, '-nostdin', '-timeout', '60', '-timeout_error'], {
    cwd: folder,
    stdio: 'ignore',
  })
  const done = once(child, 'exit').then(([code]) => Number(code ?? -1))
  return {
    address: ADDRESS,
    port,
    done,
    close: async () => {
      if (child.exitCode === null) child.kill('SIGKILL')
      await done
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A scenario of the folder beside this file, named by what it expects. */
export function scenarioFile(name: string): Promise<string> {
  return readFile(new URL(`scenarios/${name}.xml`, import.meta.url), 'utf8')
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, ADDRESS)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

const ROUTING =
  '[last_Via:]\n[last_From:]\n[last_To:];tag=[call_number]\n[last_Call-ID:]\n[last_CSeq:]'

function response(line: string, more: string): string {
  return `<send><![CDATA[\nSIP/2.0 ${line}\n${ROUTING}\n${more}\n]]></send>`
}

/** A callee that challenges the INVITE, checks the answer, and refuses wrong credentials with 403. */
export function challengingCallee(username: string, password: string): string {
  const challenge =
    'WWW-Authenticate: Digest realm="sipp", nonce="47ebe028cda119c35d4877b383027d28da013815", qop="auth", algorithm=MD5\nContent-Length: 0\n'
  const contact = 'Contact: <sip:sipp@[local_ip]:[local_port]>'
  const sdp =
    'v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=audio 29996 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n'
  return `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="challenging callee">
  <recv request="INVITE"/>
  ${response('401 Unauthorized', challenge)}
  <recv request="ACK"/>
  <recv request="INVITE"><action>
    <verifyauth assign_to="valid" username="${username}" password="${password}"/>
  </action></recv>
  <nop hide="true" test="valid" next="good"/>
  ${response('403 Forbidden', 'Content-Length: 0\n')}
  <recv request="ACK" next="end"/>
  <label id="good"/>
  ${response('200 OK', `${contact}\nContent-Type: application/sdp\nContent-Length: [len]\n\n${sdp}`)}
  <recv request="ACK"/>
  <recv request="BYE"/>
  <send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>
  <label id="end"/>
</scenario>
`
}

/** A callee that answers, refuses to be transferred with 405, and waits for the end of its call. */
export function callee405(): string {
  const contact = 'Contact: <sip:sipp@[local_ip]:[local_port]>'
  const sdp =
    'v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=audio 29992 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n'
  const inDialog = '[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]'
  const answer = (line: string): string =>
    `<send><![CDATA[\nSIP/2.0 ${line}\n${inDialog}\nContent-Length: 0\n\n]]></send>`
  return `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="callee that takes no REFER">
  <recv request="INVITE"/>
  ${response('180 Ringing', `${contact}\nContent-Length: 0\n`)}
  ${response('200 OK', `${contact}\nContent-Type: application/sdp\nContent-Length: [len]\n\n${sdp}`)}
  <recv request="ACK"/>
  <recv request="REFER"/>
  ${answer('405 Method Not Allowed')}
  <recv request="BYE"/>
  ${answer('200 OK')}
</scenario>
`
}
