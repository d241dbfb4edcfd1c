// The UDP transport on real sockets of this machine.
import { Fault } from '@saperly/kernel'
import { expect, it } from 'vitest'
import { udpHop } from './hop.ts'
import { openUdp } from './transport.ts'

const ANY_PORT = { address: '127.0.0.1', port: 0 }

it('carries a message, and tells where it came from', async () => {
  const [a, b] = [await openUdp(ANY_PORT), await openUdp(ANY_PORT)]
  const received = new Promise((resolve) =>
    b.receive((data, from) => resolve([data.toString(), from])),
  )
  a.send(Buffer.from('hello'), udpHop(b.local), () => {})
  expect(await received).toEqual(['hello', udpHop(a.local)])
  await Promise.all([a.close(), a.close(), b.close()])
  a.send(Buffer.from('too late'), udpHop(b.local), () => {})
})

it('reports what the system refuses to send', async () => {
  const a = await openUdp(ANY_PORT)
  const failed = new Promise<Error>((resolve) => {
    a.send(Buffer.alloc(70_000), udpHop(a.local), resolve)
  })
  expect(await failed).toBeInstanceOf(Error)
  await a.close()
})

it('rejects with a Fault when the port is taken', async () => {
  const a = await openUdp(ANY_PORT)
  await expect(openUdp(a.local)).rejects.toBeInstanceOf(Fault)
  await a.close()
})
