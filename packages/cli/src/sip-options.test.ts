// The doctor's question to a trunk: any answer counts, silence is told, and the request is one that a peer can read.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askOptions, peerOf } from './sip-options.ts'

let peer: Socket
let port: number

beforeEach(async () => {
  peer = createSocket('udp4')
  peer.bind(0, '127.0.0.1')
  await once(peer, 'listening')
  port = peer.address().port
})
afterEach(() => new Promise<void>((closed) => peer.close(() => closed())))

test('the status line of whatever answers', async () => {
  let asked = ''
  peer.on('message', (data, { port: back, address }) => {
    asked = data.toString('latin1')
    peer.send('SIP/2.0 405 Method Not Allowed\r\n\r\n', back, address)
  })
  expect(await askOptions({ host: '127.0.0.1', port }, '127.0.0.1', 5_000)).toBe(
    '405 Method Not Allowed',
  )
  expect(asked).toMatch(/^OPTIONS sip:127\.0\.0\.1:\d+ SIP\/2\.0\r\nVia: SIP\/2\.0\/UDP /)
  for (const header of ['Max-Forwards', 'From', 'To', 'Call-ID', 'CSeq']) {
    expect(asked).toContain(`\r\n${header}: `)
  }
})

test('it is asked again, and silence is null', async () => {
  let asked = 0
  peer.on('message', () => asked++)
  expect(await askOptions({ host: '127.0.0.1', port }, '127.0.0.1', 700)).toBeNull()
  expect(asked).toBeGreaterThanOrEqual(2)
})

test('an address without a port means 5060', () => {
  expect(peerOf('192.0.2.1')).toEqual({ host: '192.0.2.1', port: 5060 })
  expect(peerOf('192.0.2.1:5080')).toEqual({ host: '192.0.2.1', port: 5080 })
})
