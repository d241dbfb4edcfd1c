// Sockets of the HTTP port: the longest idle one makes room, one that asks is never taken, and all are given back.
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { drain } from '@saperly/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ClientSockets } from './client-sockets.ts'

let server: Server
let sockets: ClientSockets
let asked: ServerResponse[]
let clients: Socket[]

beforeEach(async () => {
  asked = []
  clients = []
  server = createServer((_request, response) => void asked.push(response))
  server.on('upgrade', (_request, socket: Socket) => void clients.push(socket.resume()))
  sockets = new ClientSockets(server, { open: 3, busy: 2 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const client of clients) client.destroy()
  server.close()
  await once(server, 'close')
  // Sockets tell of their end a turn later than their server.
  await drain()
  await drain()
  if (sockets.open !== 0) throw new Error(`${sockets.open} sockets were not given back`)
})

async function open(words = ''): Promise<Socket> {
  const accepted = once(server, 'connection')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').resume()
  client.on('error', () => undefined)
  clients.push(client)
  await accepted
  if (words !== '') client.write(words)
  return client
}

const ASK = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

/** A socket with a request under way. */
async function asks(): Promise<Socket> {
  const request = once(server, 'request')
  const client = await open(ASK)
  await request
  return client
}

async function answer(response: ServerResponse): Promise<void> {
  const closed = once(response, 'close')
  response.end()
  await closed
}

test('the one that has been idle for longest makes room', async () => {
  const [oldest, second] = [await open(), await open()]
  const busy = await asks()
  const gone = once(oldest, 'close')
  await open()
  await gone
  expect([sockets.open, sockets.evicted]).toEqual([3, 1])
  // An answer makes idle anew: the next to go is the one that has said nothing for longer.
  await answer(asked[0]!)
  const next = once(second, 'close')
  await open()
  await next
  expect(busy.destroyed).toBe(false)
})

test('one that asks is not taken, not even for a newcomer', async () => {
  const all = [await asks(), await asks(), await asks()]
  expect(sockets.full).toBe(true)
  const newcomer = await open()
  if (!newcomer.destroyed) await once(newcomer, 'close')
  expect(all.map(({ destroyed }) => destroyed)).toEqual([false, false, false])
  await answer(asked[0]!)
  expect(sockets.full).toBe(false)
})

test('a socket with two requests is idle when both are answered', async () => {
  const requests = once(server, 'request')
  const eager = await open(ASK + ASK)
  await requests
  while (asked.length < 2) await once(server, 'request')
  await answer(asked[0]!)
  await open()
  await open()
  await open()
  expect(eager.destroyed).toBe(false)
})

test('an upgraded socket is none of ours any more', async () => {
  const upgraded = once(server, 'upgrade')
  await open('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  await upgraded
  expect(sockets.open).toBe(0)
})
