// tshark reads what we give to support: the capture of a real call, and one over every protocol and address family.
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TracedMessage } from '@saperly/network'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pcapOf } from '../../packages/server/src/trace/pcap.ts'
import { havePeer } from '../peers.ts'
import { openWorld, SocketBrain, type World } from '../world.ts'

const missing = spawnSync('tshark', ['--version']).status === 0 ? null : 'there is no tshark'
const ready = havePeer('test/sip/tshark.test.ts', missing)
const STRICT = ['-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE']

/** One line of `fields` a packet. Every port of the file is read as SIP. */
async function dissect(capture: Uint8Array, ports: readonly number[], fields: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'saperly-pcap-'))
  const path = join(directory, 'call.pcap')
  await writeFile(path, capture)
  const as = ports.flatMap((port) => ['-d', `udp.port==${port},sip`])
  const wanted = fields.flatMap((field) => ['-e', field])
  const args = ['-r', path, ...STRICT, ...as, '-T', 'fields', '-E', 'separator=|', ...wanted]
  const { stdout, stderr, status } = spawnSync('tshark', args, { encoding: 'utf8' })
  await rm(directory, { recursive: true })
  expect([status, stderr.replace(/Running as user.*\n/, '')]).toEqual([0, ''])
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split('|'))
}

describe.skipIf(!ready)('tshark', () => {
  let world: World
  beforeAll(async () => (world = await openWorld()))
  afterAll(() => world.close())

  it('reads the capture of a call, while it lives and when it is over', async () => {
    const { api } = world
    const line = await api.line()
    const to = '+15555550109'
    await api.consent(line.numberId, to)
    const brain = await SocketBrain.connect(world.url, line, () => [{ type: 'wait_for_user' }])
    const { body: call } = await api.post('/calls', { fromNumberId: line.numberId, to })
    await world.until('the opening', async () => brain.of('outbound_call').length > 0)
    const path = `/calls/${call.id}/sip`
    const live = await api.get(path)
    expect(live.body).toMatch(/us INVITE \(1\) with SDP -+> peer 1 UDP/)
    expect(live.body).not.toMatch(/us BYE/)
    await api.post(`/calls/${call.id}/end`)
    await api.final(call.id)
    await brain.close()

    const ladder = await api.get(path)
    expect([ladder.status, ladder.headers.get('content-type')]).toEqual([
      200,
      'text/plain; charset=utf-8',
    ])
    expect(ladder.body).toMatch(/us <-+ 200 OK \(2 BYE\) peer 1 UDP/)
    const port = Number(/Peer 1: 127\.0\.0\.1:(\d+)/.exec(ladder.body)![1])
    const response = await fetch(`${world.url}${path}?format=pcap`, {
      headers: { authorization: `Bearer ${world.token}` },
    })
    expect(response.headers.get('content-type')).toBe('application/vnd.tcpdump.pcap')
    const capture = new Uint8Array(await response.arrayBuffer())
    const fields = ['sip.Method', 'sip.Status-Code', 'ip.checksum.status', 'udp.checksum.status']
    const packets = await dissect(capture, [port], [...fields, 'udp.dstport', '_ws.malformed'])
    const names = packets.map(([method, code]) => method || code)
    expect(names[0]).toBe('INVITE')
    expect(names.slice(-2)).toEqual(['BYE', '200'])
    expect(names).toEqual(expect.arrayContaining(['100', '180', '200', 'ACK']))
    for (const [, , ip, udp, , malformed] of packets)
      expect([ip, udp, malformed]).toEqual(['1', '1', ''])
    expect(packets[0]![4]).toBe(String(port))
    expect((await api.get('/calls/call_none/sip')).body._tag).toBe('CallNotFound')
    expect((await api.get(`${path}?format=svg`)).body._tag).toBe('ValidationError')
  })

  it('reads every protocol, address family and size', async () => {
    const text = (n: number, more = ''): string =>
      `OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK${n}\r\nFrom: <sip:a@a>;tag=1\r\n` +
      `To: <sip:b@b>\r\nCall-ID: ${n}@x\r\nCSeq: ${n} OPTIONS\r\nMax-Forwards: 70\r\n${more}Content-Length: 0\r\n\r\n`
    const base = { at: 1_764_000_000_123, direction: 'sent', ours: '192.0.2.1:5060' } as const
    const messages: TracedMessage[] = [
      { ...base, protocol: 'UDP', theirs: '192.0.2.2:5070', text: text(1) },
      { ...base, protocol: 'TCP', theirs: '192.0.2.2:5070', direction: 'received', text: text(2) },
      { ...base, protocol: 'TLS', theirs: '[2001:db8::2]:5070', ours: '[::1]:5061', text: text(3) },
      {
        ...base,
        protocol: 'TCP',
        theirs: '[2001:db8::2]:5070',
        text: text(4, `X: ${'x'.repeat(40_001)}\r\n`),
      },
    ]
    const fields = [
      'sip.CSeq.seq',
      'ip.src',
      'ipv6.src',
      'ipv6.dst',
      'udp.checksum.status',
      '_ws.malformed',
    ]
    expect(await dissect(pcapOf(messages), [5070], fields)).toEqual([
      ['1', '192.0.2.1', '', '', '1', ''],
      ['2', '192.0.2.2', '', '', '1', ''],
      ['3', '', '::1', '2001:db8::2', '1', ''],
      ['4', '', '::ffff:192.0.2.1', '2001:db8::2', '1', ''],
    ])
  })
})
