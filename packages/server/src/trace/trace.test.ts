// The two ways in which signalling is shown: a ladder for people, a capture file for tools.
import type { TracedMessage } from '@saperly/network'
import { describe, expect, it } from 'vitest'
import { ladderOf } from './ladder.ts'
import { pcapOf } from './pcap.ts'

const AT = Date.UTC(2026, 10, 25, 12)
const invite = [
  'INVITE sip:+15555550123@192.0.2.2 SIP/2.0',
  'Call-ID: a@x',
  'CSeq: 1 INVITE',
  'Content-Type: application/sdp',
  '',
  'v=0\x07',
].join('\r\n')
const ringing = 'SIP/2.0 180 Ringing\r\nCall-ID: a@x\r\nCSeq: 1 INVITE\r\n\r\n'

const MESSAGES: readonly TracedMessage[] = [
  {
    at: AT,
    direction: 'sent',
    protocol: 'TLS',
    ours: '192.0.2.1:5061',
    theirs: '192.0.2.2:5061',
    text: invite,
  },
  {
    at: AT + 1_234,
    direction: 'received',
    protocol: 'UDP',
    ours: '[2001:db8::1]:5060',
    theirs: '[2001:db8::2:0]:5070',
    text: ringing,
  },
]

describe('the ladder', () => {
  const text = ladderOf({ id: 'call_1', from: '+15555550100', to: '+15555550123' }, MESSAGES)

  it('has an arrow for each message, the way it went, with its time', () => {
    const rungs = text.split('\n').filter((line) => line.includes(' us '))
    expect(rungs).toHaveLength(2)
    expect(rungs[0]).toMatch(/^ +0\.000 {2}us INVITE \(1\) with SDP -+> peer 1 TLS$/)
    expect(rungs[1]).toMatch(/^ +1\.234 {2}us <-+ 180 Ringing \(1 INVITE\) peer 2 UDP$/)
    expect(rungs[0]!.indexOf('peer')).toBe(rungs[1]!.indexOf('peer'))
  })

  it('has each message in full, and nothing that a terminal would follow', () => {
    expect(text).toContain('--- 1      0.000  192.0.2.1:5061 -> 192.0.2.2:5061  TLS')
    expect(text).toContain('INVITE sip:+15555550123@192.0.2.2 SIP/2.0\nCall-ID: a@x')
    expect(text).toContain('v=0.')
    expect(text).not.toContain('\r')
  })
})

/** Sum of 16-bit words as of RFC 1071; over data with its checksum it is all ones. */
function sumOf(data: Buffer): number {
  let sum = 0
  for (let i = 0; i < data.length; i += 2) sum += data.readUInt8(i) * 256 + (data[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum % 65_536) + Math.floor(sum / 65_536)
  return sum
}

describe('the capture file', () => {
  const file = pcapOf(MESSAGES)
  const first = file.subarray(24)
  const lengthOf = (record: Buffer): number => record.readUInt32LE(8)
  const second = first.subarray(16 + lengthOf(first))

  it('is a classic pcap of raw IP', () => {
    expect(file.readUInt32LE(0)).toBe(0xa1b2c3d4)
    expect(file.readUInt32LE(20)).toBe(101)
    expect(second.length).toBe(16 + lengthOf(second))
    expect(second.readUInt32LE(0)).toBe(Math.floor(AT / 1000) + 1)
    expect(second.readUInt32LE(4)).toBe(234_000)
  })

  it('has IPv4 with right lengths, addresses and checksums', () => {
    const ip = first.subarray(16, 16 + lengthOf(first))
    expect([...ip.subarray(12, 20)]).toEqual([192, 0, 2, 1, 192, 0, 2, 2])
    expect(ip.readUInt16BE(2)).toBe(ip.length)
    expect(sumOf(ip.subarray(0, 20))).toBe(0xffff)
    expect(ip.subarray(28).toString('latin1')).toBe(invite)
    const pseudo = Buffer.from([0, 17, 0, 0])
    pseudo.writeUInt16BE(ip.length - 20, 2)
    expect(sumOf(Buffer.concat([ip.subarray(12, 20), pseudo, ip.subarray(20)]))).toBe(0xffff)
  })

  it('has IPv6 where the peer has it, the receiver second', () => {
    const ip = second.subarray(16)
    expect(ip[0]! >> 4).toBe(6)
    expect(ip.subarray(8, 24).toString('hex')).toBe('20010db8000000000000000000020000')
    expect(ip.subarray(24, 40).toString('hex')).toBe('20010db8000000000000000000000001')
    expect(ip.readUInt16BE(40)).toBe(5070)
    expect(ip.subarray(48).toString('latin1')).toBe(ringing)
  })

  it('is empty but valid without messages', () => {
    expect(pcapOf([])).toHaveLength(24)
  })
})
