// The carrier, in a process of its own: rings at once on every call, and takes the CANCEL. Prints its port.
import { SystemClock, silentLog, systemRandom } from '../../packages/kernel/dist/index.js'
import { openUdp } from '../../packages/network/dist/sip/transport.js'
import { UserAgent } from '../../packages/network/dist/sip/user-agent.js'

const ua = new UserAgent({
  transport: await openUdp({ address: '127.0.0.1', port: 0 }),
  clock: new SystemClock(),
  random: systemRandom,
  log: silentLog,
  onCall: (call) => {
    call.listen(() => {})
    call.ring()
  },
})
console.log(ua.address.port)
