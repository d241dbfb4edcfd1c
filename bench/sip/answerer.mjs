// The user agent under test, in a process of its own: answers every call at once. Prints its port.
import { SystemClock, silentLog, systemRandom } from '../../packages/kernel/dist/index.js'
import { openUdp } from '../../packages/network/dist/sip/transport.js'
import { UserAgent } from '../../packages/network/dist/sip/user-agent.js'

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n'
const transport = await openUdp({ address: '127.0.0.1', port: 0 })
const ua = new UserAgent({
  transport,
  clock: new SystemClock(),
  random: systemRandom,
  log: silentLog,
  onCall: (call) => {
    call.listen(() => {})
    call.ring()
    call.answer(SDP)
  },
})
console.log(ua.address.port)
