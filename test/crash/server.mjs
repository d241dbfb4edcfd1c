// A server in a process of its own, for tests that kill it, and in which it may kill itself at a named place.
//
// Its parent says how and when: `start` (with the place at which to die before it is ready), `arm` (the place at which to
// die from now on), `report` (which places were passed), `close` (in order). It does not outlive its parent.
import { readConfig, startServer } from '../../packages/server/dist/index.js'
import { Places } from './places.mjs'

const places = new Places()
let server = null

async function start({ environment, directory, writes, place }) {
  places.watch(writes)
  places.arm(place)
  server = await startServer(readConfig(environment, directory), {
    aroundStore: (store) => places.aroundStore(store),
    aroundNetwork: (network) => places.aroundNetwork(network),
  })
  process.send({ type: 'ready', url: server.url, token: server.first.token })
}

async function close() {
  await server.close()
  process.send({ type: 'places', places: places.report() }, () => process.disconnect())
}

const orders = {
  start,
  arm: ({ place }) => {
    places.arm(place)
    process.send({ type: 'armed' })
  },
  report: () => process.send({ type: 'places', places: places.report() }),
  close,
}

process.on('message', (order) => {
  void Promise.resolve(orders[order.type](order)).catch((error) => {
    process.stderr.write(`${error.stack}\n`)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit())
