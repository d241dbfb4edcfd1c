// Where a dialog's next request goes: by its URI, its protocol, the connection that is there, and the DNS.
import { SimClock, ok, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { Dialog } from './dialog.ts'
import type { Dns } from './dns.ts'
import { formatHop, parseHop, udpHop } from './hop.ts'
import type { Hop, Protocol } from './hop.ts'
import { parseMessage } from './message.ts'
import { Reach } from './reach.ts'
import { Resolver } from './resolver.ts'
import { SimNetwork } from './sim-network.ts'
import type { Transport } from './transport.ts'
import { UserAgent } from './user-agent.ts'

const ADDRESSES: Record<string, string[]> = {
  'pbx.example': ['192.0.2.9'],
  'same.example': ['192.0.2.8', '192.0.2.1'],
}

const DNS: Dns = {
  naptr: () => Promise.resolve(ok([])),
  srv: () => Promise.resolve(ok([])),
  addresses: (name) => Promise.resolve(ok(ADDRESSES[name] ?? [])),
}

function transport(held: readonly string[], protocols: readonly Protocol[]): Transport {
  const local = { address: '10.0.0.1', port: 5060 }
  return {
    local,
    at: (protocol) => (protocols.includes(protocol) ? local : null),
    holds: (hop) => hop.protocol === 'UDP' || held.includes(formatHop(hop)),
    send: () => {},
    receive: () => {},
    close: () => Promise.resolve(),
  }
}

function dialogWith(contact: string, remote: string, routes: readonly string[] = []): Dialog {
  const lines = [
    'SIP/2.0 200 OK',
    'Via: SIP/2.0/UDP x',
    'From: <sip:a@x>;tag=1',
    'To: <sip:b@x>;tag=2',
    'Call-ID: id',
    'CSeq: 4 INVITE',
    ...routes.map((route) => `Record-Route: <${route}>`),
    `Contact: <${contact}>`,
    '',
    '',
  ]
  const parsed = parseMessage(Buffer.from(lines.join('\r\n')))
  if (!parsed.ok || parsed.value.kind !== 'response') throw new Error('not a response')
  return Dialog.ofCaller(parsed.value, parseHop(remote)!)
}

const CONNECTED = 'TLS 192.0.2.1:5061 sip.carrier.example'

async function reached(
  contact: string,
  remote: string,
  more: { held?: string[]; protocols?: Protocol[]; resolver?: boolean; routes?: string[] } = {},
): Promise<string> {
  const { held = [], protocols = ['UDP', 'TCP', 'TLS'], resolver = true, routes = [] } = more
  const options = {
    dns: DNS,
    clock: new SimClock(),
    random: seededRandom(1),
    protocols,
    families: [4] as const,
  }
  const reach = new Reach(transport(held, protocols), resolver ? new Resolver(options) : null)
  const hop = await new Promise<Hop>((resolve) =>
    reach.to(dialogWith(contact, remote, routes), resolve),
  )
  expect(reach.resolving).toBe(0)
  return formatHop(hop)
}

describe('from UDP', () => {
  it.each([
    ['sip:b@192.0.2.9:5080', '192.0.2.9:5080'],
    ['sip:b@192.0.2.9;transport=tcp', 'TCP 192.0.2.9:5060'],
    ['sip:b@192.0.2.9:5070;transport=TLS', 'TLS 192.0.2.9:5070'],
    ['sips:b@[2001:db8::9]', 'TLS [2001:db8::9]:5061'],
    ['sip:b@192.0.2.9;transport=ws', '192.0.2.9:5060'],
    ['sip:b@pbx.example', '192.0.2.9:5060'],
    ['sip:b@pbx.example;transport=tcp', 'TCP 192.0.2.9:5060'],
    ['sip:b@nowhere.example', '192.0.2.1:5060'],
  ])('to %s', async (contact, hop) => {
    expect(await reached(contact, '192.0.2.1:5060')).toBe(hop)
  })

  it('the first route decides, and not the target', async () => {
    const routes = ['sip:192.0.2.7;lr']
    expect(await reached('sip:b@192.0.2.9', '192.0.2.1:5060', { routes })).toBe('192.0.2.7:5060')
  })

  it('what we do not speak goes to where the peer was', async () => {
    const protocols = ['UDP'] as Protocol[]
    expect(await reached('sip:b@192.0.2.9;transport=tcp', '192.0.2.1:5060', { protocols })).toBe(
      '192.0.2.1:5060',
    )
  })

  it('without the DNS a name stands for where the peer was', async () => {
    expect(await reached('sip:b@pbx.example', '192.0.2.1:5060', { resolver: false })).toBe(
      '192.0.2.1:5060',
    )
  })
})

describe('from a connection', () => {
  const held = [CONNECTED]

  it.each([
    ['sip:b@192.0.2.9', CONNECTED],
    ['sip:b@10.9.9.9:5080', CONNECTED],
    ['sip:b@192.0.2.1:5061;transport=tls', CONNECTED],
    ['sip:b@192.0.2.1:40000;transport=tls', CONNECTED],
    ['sip:b@same.example;transport=tls', CONNECTED],
    ['sip:b@192.0.2.9;transport=tls', 'TLS 192.0.2.9:5061 sip.carrier.example'],
    ['sip:b@pbx.example;transport=tls', 'TLS 192.0.2.9:5061 pbx.example'],
    ['sip:b@192.0.2.9;transport=tcp', 'TCP 192.0.2.9:5060'],
  ])('to %s', async (contact, hop) => {
    expect(await reached(contact, CONNECTED, { held })).toBe(hop)
  })

  it.each([
    // A peer's own port leads nowhere once its connection is gone; TLS is never left for something less safe.
    ['sip:b@192.0.2.1', 'TCP 192.0.2.1:40000', 'TCP 192.0.2.1:5060'],
    ['sip:b@192.0.2.1:5080;transport=tcp', 'TCP 192.0.2.1:40000', 'TCP 192.0.2.1:5080'],
    ['sip:b@192.0.2.9', CONNECTED, 'TLS 192.0.2.9:5061 sip.carrier.example'],
    ['sip:b@pbx.example', CONNECTED, 'TLS 192.0.2.9:5061 pbx.example'],
  ])('that is gone, to %s', async (contact, remote, hop) => {
    expect(await reached(contact, remote)).toBe(hop)
  })
})

it('a call whose Contact is a name is acknowledged and ended where the name leads', async () => {
  const clock = new SimClock()
  const [alice, proxy, bob] = ['10.0.0.1', '192.0.2.1', '192.0.2.9'].map((address) =>
    udpHop({ address, port: 5060 }),
  )
  const sent: string[] = []
  const network = new SimNetwork(clock, 10, ({ from, to, text }) => {
    if (from.address === alice!.address) sent.push(`${text.split(' ')[0]} ${to.address}`)
    return false
  })
  // Bob's phone is one socket for the network: what reaches either address is heard by it.
  const bobs = network.open(bob!)
  const front = network.open(proxy!)
  const both: Transport = {
    ...front,
    receive: (receiver) => {
      front.receive(receiver)
      bobs.receive(receiver)
    },
  }
  const parts = { clock, log: silentLog }
  const resolver = new Resolver({
    dns: DNS,
    clock,
    random: seededRandom(1),
    protocols: ['UDP'],
    families: [4],
  })
  const caller = new UserAgent({
    ...parts,
    transport: network.open(alice!),
    random: seededRandom(1),
    resolver,
  })
  const phone = new UserAgent({
    ...parts,
    transport: both,
    random: seededRandom(2),
    publicAddress: 'pbx.example',
    onCall: (call) => call.answer('v=0'),
  })
  const events: string[] = []
  const call = caller.call(
    { to: 'sip:b@192.0.2.1', via: proxy!, from: 'sip:a@x', sdp: 'v=0' },
    ({ type }) => events.push(type),
  )
  await clock.advance(100)
  // Closing does not overtake a name that is still being looked up.
  const closing = caller.close()
  await clock.advance(5_000)
  await closing
  expect(sent).toEqual(['INVITE 192.0.2.1', 'ACK 192.0.2.9', 'BYE 192.0.2.9'])
  expect(call.session).not.toBeNull()
  await phone.close()
  expect([caller.transactions, caller.dialogs]).toEqual([0, 0])
})

describe('while a name is being resolved', () => {
  function slow(): { reach: Reach; release: () => void; asked: () => number } {
    let [release, asked] = [(): void => {}, 0]
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const dns: Dns = {
      ...DNS,
      addresses: async (name, family) => {
        asked++
        await gate
        return DNS.addresses(name, family)
      },
    }
    const options = {
      dns,
      clock: new SimClock(),
      random: seededRandom(1),
      protocols: ['UDP'] as const,
      families: [4] as const,
    }
    return {
      reach: new Reach(transport([], ['UDP']), new Resolver(options)),
      release,
      asked: () => asked,
    }
  }

  it('requests wait, keep their order, and later ones ask no more', async () => {
    const { reach, release, asked } = slow()
    const dialog = dialogWith('sip:b@pbx.example:5060', '192.0.2.1:5060')
    const order: string[] = []
    reach.to(dialog, () => order.push('ACK'))
    const bye = new Promise<void>((resolve) =>
      reach.to(dialog, () => resolve(void order.push('BYE'))),
    )
    expect([order, reach.resolving]).toEqual([[], 1])
    release()
    await bye
    reach.to(dialog, (hop) => order.push(formatHop(hop)))
    expect(order).toEqual(['ACK', 'BYE', '192.0.2.9:5060'])
    expect([asked(), reach.resolving]).toEqual([1, 0])
  })

  it('nothing is sent any more once it is closed', async () => {
    const { reach, release } = slow()
    let used = 0
    reach.to(dialogWith('sip:b@pbx.example:5060', '192.0.2.1:5060'), () => used++)
    reach.close()
    release()
    while (reach.resolving > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(used).toBe(0)
  })
})
