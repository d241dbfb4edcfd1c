// Whatever arrives, from anybody, at any moment of a call: nothing throws, and everything is given back in the end.
import { SimClock, seededRandom, silentLog } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { udpHop } from './hop.ts'
import { SimNetwork } from './sim-network.ts'
import type { Endpoint, Hop, Transport } from './transport.ts'
import { UserAgent } from './user-agent.ts'

const ALICE = udpHop({ address: '10.0.0.1', port: 5060 })
const BOB = udpHop({ address: '10.0.0.2', port: 5060 })

/** One bent message: which of those seen, what is done to it, and when it comes. */
interface Bend {
  pick: number
  line: number
  how: 'drop' | 'repeat' | 'replace' | 'cut' | 'method' | 'status' | 'none'
  text: string
  toAlice: boolean
}

const bends = fc.array(
  fc.record<Bend>({
    pick: fc.nat(),
    line: fc.nat(),
    how: fc.constantFrom('drop', 'repeat', 'replace', 'cut', 'method', 'status', 'none'),
    text: fc.oneof(
      fc.string(),
      fc.constantFrom('0', 'CSeq: 99 BYE', 'Contact: <sip:x@10.9.9.9>', 'To: <sip:b@x>', 'l: 0'),
      fc.constantFrom('Require: 100rel', 'RSeq: 1', 'RAck: 1 1 INVITE', 'Min-SE: 2000'),
      fc.constantFrom('Session-Expires: 90;refresher=uas', 'Session-Expires: 1', 'Allow: INVITE'),
    ),
    toAlice: fc.boolean(),
  }),
  { maxLength: 40 },
)

const METHODS = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'REFER',
  'NOTIFY',
  'UPDATE',
  'INFO',
  'PRACK',
  'FROB',
]
const STATUSES = [100, 180, 183, 200, 202, 302, 401, 407, 422, 481, 486, 491, 500, 503, 603]

function bend(message: string, { how, line, text }: Bend): string {
  const lines = message.split('\r\n')
  const at = line % lines.length
  if (how === 'drop') lines.splice(at, 1)
  else if (how === 'repeat') lines.splice(at, 0, lines[at]!)
  else if (how === 'replace') lines[at] = text
  else if (how === 'cut') return message.slice(0, line % message.length)
  else if (how === 'method') {
    const method = METHODS[line % METHODS.length]!
    return message
      .replace(/^[A-Z]+ /, `${method} `)
      .replace(/CSeq: (\d+) \w+/, `CSeq: $1 ${method}`)
  } else if (how === 'status') {
    return message.replace(/^SIP\/2.0 \d+/, `SIP/2.0 ${STATUSES[line % STATUSES.length]!}`)
  }
  return lines.join('\r\n')
}

async function survives(script: readonly Bend[]): Promise<void> {
  const clock = new SimClock()
  const seen: string[] = []
  const network = new SimNetwork(clock, 10, ({ text }) => {
    if (seen.length < 200) seen.push(text)
    return false
  })
  const receivers = new Map<Endpoint, (data: Buffer, from: Hop) => void>()
  const tapped = (local: Endpoint): Transport => {
    const inner = network.open(local)
    return {
      ...inner,
      receive: (receiver) => {
        receivers.set(local, receiver)
        inner.receive(receiver)
      },
    }
  }
  const make = (local: Endpoint, seed: number): UserAgent =>
    new UserAgent({
      transport: tapped(local),
      clock,
      random: seededRandom(seed),
      log: silentLog,
      onCall: (call) => {
        call.listen((event) => {
          if (event.type === 'reoffer') event.answer('v=0')
          if (event.type === 'referRequested') event.accept()(200)
        })
        call.ring()
        clock.schedule(40, () => call.answer('v=0'))
      },
    })
  const [alice, bob] = [make(ALICE, 1), make(BOB, 2)]
  const credentials = { username: 'a', password: 'b' }
  const redirects = { max: 3, allow: () => true }
  const invited = { to: 'sip:bob@10.0.0.2', via: BOB, from: 'sip:alice@10.0.0.1', sdp: 'v=0' }
  const options = { ...invited, redirects }
  const call = alice.call({ ...options, credentials }, () => {})
  for (const [step, bent] of script.entries()) {
    await clock.advance(15)
    if (step === 8) call.session?.reinvite('v=0')
    if (step === 11) call.session?.update('v=0')
    if (step === 14) call.session?.refer('sip:carol@10.0.0.3')
    const message = seen[bent.pick % seen.length]!
    const [to, from] = bent.toAlice ? [ALICE, BOB] : [BOB, ALICE]
    receivers.get(to)!(Buffer.from(bend(message, bent)), from)
  }
  call.hangUp()
  await clock.advance(600_000)
  // What bent messages opened at bob has no caller who would end it.
  const closed = Promise.all([alice.close(), bob.close()])
  await clock.advance(10_000)
  await closed
  const left = [alice.transactions, alice.dialogs, bob.transactions, bob.dialogs, clock.pending()]
  expect(left).toEqual([0, 0, 0, 0, 0])
}

it('bent, repeated and misplaced messages in the middle of a call', async () => {
  await fc.assert(fc.asyncProperty(bends, survives), { numRuns: 150 })
}, 120_000)
