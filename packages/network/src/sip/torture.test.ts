// The torture messages of RFC 4475 and RFC 5118, byte for byte: each gets the verdict that its section asks for.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { SimClock, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { udpHop } from './hop.ts'
import type { Hop } from './hop.ts'
import { parseMessage, sdpOf, topVia } from './message.ts'
import { parseNameAddr, parseVia } from './header.ts'
import { parseSdp } from './sdp.ts'
import { SimNetwork } from './sim-network.ts'
import { bareHost, parseUri } from './uri.ts'
import { UserAgent } from './user-agent.ts'

const HERE = { address: '10.0.0.1', port: 5060 }
const THERE = { address: '192.0.2.200', port: 5060 }

/**
 * What an endpoint does with it: offers the INVITE as a call, answers with one final code, or lets it drop. Where a
 * section leaves a choice, the reason for ours stands beside it.
 */
type Verdict = 'call' | 'dropped' | number

/** RFC 4475; the section of each in its order there. */
const RFC_4475: Readonly<Record<string, Verdict>> = {
  // Its To has a tag: an INVITE inside of a dialog that we don't know.
  wsinv: 481,
  intmeth: 501,
  esc01: 'call',
  // We are no registrar: a well-formed REGISTER is a method that is not allowed here.
  escnull: 405,
  esc02: 501,
  lwsdisp: 200,
  longreq: 'call',
  // The REGISTER alone: the INVITE behind it is noise.
  dblreq: 405,
  semiuri: 200,
  transports: 200,
  mpart01: 405,
  // Well-formed responses that belong to no transaction.
  unreason: 'dropped',
  noreason: 'dropped',
  badinv01: 400,
  clerr: 400,
  ncl: 400,
  scalar02: 400,
  scalarlg: 'dropped',
  quotbal: 400,
  ltgtruri: 400,
  lwsruri: 400,
  lwsstart: 400,
  trws: 400,
  // Liberal: the headers in the URI are ignored.
  escruri: 'call',
  // Liberal: nothing here depends on Date.
  baddate: 'call',
  // Liberal: nothing here looks at the Contact of a REGISTER.
  regbadct: 405,
  // Liberal: the spaces are ignored.
  badaspec: 200,
  // Liberal: the missing quotes are inferred.
  baddn: 200,
  badvers: 505,
  mismatch01: 400,
  mismatch02: 501,
  bigcode: 'dropped',
  // Falls back to identifying the transaction as RFC 2543 did.
  badbranch: 200,
  insuf: 400,
  unkscm: 416,
  novelsc: 416,
  // Only a registrar would look at the scheme of To.
  unksm2: 405,
  bext01: 420,
  invut: 415,
  regaut01: 405,
  multi01: 400,
  mcl01: 400,
  bcast: 'dropped',
  zeromf: 200,
  cparam01: 405,
  cparam02: 405,
  regescrt: 405,
  sdp01: 406,
  inv2543: 'call',
}

const RFC_5118: Readonly<Record<string, Verdict>> = {
  'ipv6-good': 405,
  'ipv6-bad': 400,
  'port-ambiguous': 405,
  'port-unambiguous': 405,
  // A BYE of no dialog that we know.
  'via-received-param-with-delim': 481,
  'via-received-param-no-delim': 200,
  'ipv6-in-sdp': 'call',
  'mult-ip-in-header': 481,
  'mult-ip-in-sdp': 'call',
  'ipv4-mapped-ipv6': 'call',
  'ipv6-bug-abnf-3-colons': 200,
  'ipv6-correct-abnf-2-colons': 200,
}

function read(rfc: string, name: string): Buffer {
  return readFileSync(new URL(`torture/${rfc}/${name}.dat`, import.meta.url))
}

/** Lets one message arrive at a user agent that busies every call, and gives back everything again. */
async function arrive(bytes: Buffer) {
  const clock = new SimClock()
  const answers: string[] = []
  const network = new SimNetwork(clock, 1, ({ text }) => {
    answers.push(text)
    return true
  })
  const inner = network.open(HERE)
  let deliver: (data: Buffer, from: Hop) => void = () => {}
  let calls = 0
  const ua = new UserAgent({
    transport: { ...inner, receive: (receiver) => void (deliver = receiver) },
    clock,
    random: seededRandom(1),
    log: silentLog,
    onCall: (call) => {
      calls++
      call.reject(486)
    },
  })
  deliver(bytes, udpHop(THERE))
  await clock.advance(100)
  const codes = answers
    .map((text) => Number(/^SIP\/2\.0 (\d{3})/.exec(text)![1]))
    .filter((code) => code >= 200)
  await clock.advance(600_000)
  const left = [ua.transactions, ua.dialogs, clock.pending()]
  await ua.close()
  return { calls, code: codes[0] ?? null, answers, left }
}

async function verdictOf(bytes: Buffer): Promise<Verdict> {
  const { calls, code, left } = await arrive(bytes)
  expect(left).toEqual([0, 0, 0])
  if (calls > 0) return calls === 1 && code === 486 ? 'call' : NaN
  return code ?? 'dropped'
}

describe.each([
  ['rfc4475', RFC_4475, 49],
  ['rfc5118', RFC_5118, 12],
] as const)('%s', (rfc, verdicts, count) => {
  it('is there as a whole', () => {
    const files = readdirSync(new URL(`torture/${rfc}`, import.meta.url)).filter((file) =>
      file.endsWith('.dat'),
    )
    expect(files.map((file) => file.replace('.dat', '')).toSorted()).toEqual(
      Object.keys(verdicts).toSorted(),
    )
    expect(files).toHaveLength(count)
  })

  it.each(Object.entries(verdicts))('%s: %s', async (name, verdict) => {
    expect(await verdictOf(read(rfc, name))).toBe(verdict)
  })
})

describe('what the messages say', () => {
  const parsed = (rfc: string, name: string) => {
    const message = parseMessage(read(rfc, name))
    if (!message.ok) throw new Error(`${name}: ${message.failure}`)
    return message.value
  }

  it('wsinv: folding, escapes and spaces everywhere', () => {
    const message = parsed('rfc4475', 'wsinv')
    const { headers } = message
    expect(headers.list('via').map((via) => parseVia(via)?.host)).toEqual([
      '192.0.2.2',
      'spindle.example.com',
      '192.168.255.111',
    ])
    expect(parseNameAddr(headers.get('from')!)).toMatchObject({
      display: 'J Rosenberg \\"',
      uri: 'sip:jdrosen@example.com',
    })
    expect(parseNameAddr(headers.get('to')!)?.params.get('tag')).toBe('1918181833n')
    expect(parseNameAddr(headers.get('contact')!)?.params.get('q')).toBe('0.33')
    expect(sdpOf(message)).toHaveLength(150)
  })

  it('escaped nulls do not shorten a user', () => {
    const { headers } = parsed('rfc4475', 'escnull')
    expect(parseUri(parseNameAddr(headers.get('to')!)!.uri)?.user).toBe('null-\0-null')
    expect(headers.all('contact')).toHaveLength(2)
  })

  it('a percent sign in a field name is no escape', () => {
    const { headers } = parsed('rfc4475', 'esc02')
    expect(headers.list('contact')).toHaveLength(2)
    expect(parseNameAddr(headers.get('to')!)?.display).toBe('%Z%45')
  })

  it('a semicolon may stand in a user', () => {
    const message = parsed('rfc4475', 'semiuri')
    expect(message.kind === 'request' && parseUri(message.uri)?.user).toBe('user;par=u@example.net')
  })

  it('420 lists what was insisted on, 501 what is understood', async () => {
    const { answers } = await arrive(read('rfc4475', 'bext01'))
    expect(answers[0]).toMatch(/^Unsupported: nothingSupportsThis, nothingSupportsThisEither\r$/m)
    expect((await arrive(read('rfc4475', 'intmeth'))).answers[0]).toMatch(/^Allow: INVITE/m)
  })

  it('a broken request is answered from what is left of it, the same each time', async () => {
    const [first, second] = [
      await arrive(read('rfc4475', 'insuf')),
      await arrive(read('rfc4475', 'insuf')),
    ]
    expect(first.answers).toEqual(second.answers)
    expect(first.answers[0]).toMatch(/^Via: SIP\/2\.0\/UDP 192\.0\.2\.95;branch=z9hG4bKkdj\.insuf/m)
    expect(first.answers[0]).not.toMatch(/^(?:From|To|Call-ID):/m)
  })

  it('IPv6: brackets decide what is a port, and received is read with or without them', () => {
    const hostOf = (name: string) => {
      const message = parsed('rfc5118', name)
      const uri = message.kind === 'request' ? parseUri(message.uri) : null
      return [bareHost(uri!.host), uri!.port]
    }
    expect(hostOf('port-ambiguous')).toEqual(['2001:db8::10:5070', null])
    expect(hostOf('port-unambiguous')).toEqual(['2001:db8::10', 5070])
    for (const name of ['via-received-param-with-delim', 'via-received-param-no-delim']) {
      const via = parseVia(topVia(parsed('rfc5118', name)))!
      expect(bareHost(via.params.get('received')!)).toBe('2001:db8::9:255')
      expect(via.params.get('branch')).toMatch(/^z9hG4bKas3/)
    }
  })

  it('IPv6 in a description: each stream has its own address', () => {
    const sdp = parseSdp(sdpOf(parsed('rfc5118', 'mult-ip-in-sdp'))!)
    expect(sdp.ok && sdp.value.address).toBe('192.0.2.1')
    // Its only audio format is one that we don't speak.
    expect(parseSdp(sdpOf(parsed('rfc5118', 'ipv6-in-sdp'))!)).toEqual({
      ok: false,
      failure: 'no_common_codec',
    })
  })
})

/** Digests of the archive in RFC 4475 appendix A, as others publish them. */
const DIGESTS: Readonly<Record<string, string>> = {
  wsinv: 'd6f6cdee99cd0a1f8e3d9a0fdd67c877700e19ab86d8186dada06f61260e3e61',
  intmeth: 'b957a8292c1c0a9851fe94705b90f94320738f43aacde64998e401f742ef688d',
  esc01: 'be3a316d4ce5f69cad474646191e390dd4b50fc8371e44b5197fe1237781973e',
  escnull: '263fe2ecd12a5ccbb6c67b3174e9211d11da9b600e7d69666a86d2ee42873e90',
  esc02: '9a9c59449f00327b02071feafc8e5c2a261c98c818044167894cc17809a12199',
  lwsdisp: 'd1b36b6316c12824f6f04bf6b1fd1f021cade9b74871693b9c3474cd9fa7f4e6',
  longreq: '185739292bc676760e5b1cca77c87705aa570240171c506ad76f8c35af0ecdaa',
  dblreq: 'a6be48426565c2a705389c4ce2ea17e57b891cb13f80490a2cb9392c797b46ef',
  semiuri: '87bbaed6b4b354dbd3c5c7a20e66686303c63e43a0aa19b89de1ac75231611a2',
  transports: '33b4553a3b9418121b099ff07882535151edd6a1e81898c63a916aad2cbf90bc',
  mpart01: '92147c8e24997bac59629e1b163767697d0d6d499af87f89e325d69968bec3ba',
  unreason: '4f939d6ebf4817eea70f011d3209e83732872ffc20ffd304b244084dc392f4d7',
  noreason: '07e11e470a69fffa3674de805e5165d1351a9439a91045ee70c9570ea24ab4fe',
}

it.each(Object.entries(DIGESTS))('%s is byte for byte what the archive holds', (name, digest) => {
  expect(createHash('sha256').update(read('rfc4475', name)).digest('hex')).toBe(digest)
})
