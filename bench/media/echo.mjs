// The least that a Node process can do with the same packets: one socket per stream, each packet sent back as it came.
import { createSocket } from 'node:dgram'

const sockets = []

async function open({ legs, port }) {
  const ports = []
  for (let i = 0; i < legs; i++) {
    const socket = createSocket({
      type: 'udp4',
      lookup: (host, _options, callback) => callback(null, host, 4),
    })
    socket.on('error', () => {})
    socket.on('message', (data) => socket.send(data, port, '127.0.0.1', () => {}))
    await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))
    sockets.push(socket)
    ports.push(socket.address().port)
  }
  process.send({ type: 'opened', ports })
}

process.on('message', (message) => {
  if (message.type === 'open') void open(message)
  else if (message.type === 'measure') {
    const { user, system } = process.cpuUsage()
    process.send({ type: 'measured', cpuMs: (user + system) / 1000, load: null })
  } else if (message.type === 'stop') {
    for (const socket of sockets) socket.close()
    process.disconnect()
  }
})
