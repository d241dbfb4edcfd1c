// Addresses as the system shows them, and as a socket wants them.
import { expect, it } from 'vitest'
import { forFamily, fromSystem, isLoopback } from './address.ts'
import { systemUdp } from './rtp/udp.ts'

it.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['2001:db8::1', '2001:db8::1'],
])('%s is written %s', (shown, written) => {
  expect(fromSystem(shown)).toBe(written)
})

it('disguises IPv4 only where a socket needs it', () => {
  expect(forFamily('192.0.2.1', 6)).toBe('::ffff:192.0.2.1')
  expect(forFamily('192.0.2.1', 4)).toBe('192.0.2.1')
  expect(forFamily('2001:db8::1', 6)).toBe('2001:db8::1')
})

it.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['192.0.2.1', false],
  ['::2', false],
])('whether %s is this machine: %s', (address, ours) => {
  expect(isLoopback(address)).toBe(ours)
})

it.each(['127.0.0.1', '::1'])(
  'media that is bound everywhere comes from and goes to %s',
  async (address) => {
    let reply: (from: string) => void = () => {}
    const answered = new Promise<string>((resolve) => {
      reply = resolve
    })
    const everywhere = await systemUdp.bind('::', 0, (data, from, port) =>
      everywhere.send(data, port, from),
    )
    const peer = await systemUdp.bind(address, 0, (_, from) => reply(from))
    peer.send(Buffer.from('x'), everywhere.port, address)
    expect(await answered).toBe(address)
    await Promise.all([everywhere.close(), peer.close()])
  },
)
