// The parser: what it reads, what it refuses, and that nothing makes it throw.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseNameAddr, parseParams, parseReason, parseVia, splitList } from './header.ts'
import { Headers } from './headers.ts'
import { MAX_HEADERS, parseMessage, sdpOf, serialise, topVia } from './message.ts'
import type { SipRequest } from './message.ts'
import { formatUri, numberOf, parseUri } from './uri.ts'

const BASE = [
  'INVITE sip:+15555550123@192.0.2.1 SIP/2.0',
  'v: SIP/2.0/UDP 192.0.2.9:5061;branch=z9hG4bKa;rport, SIP/2.0/TCP 192.0.2.10',
  'Max-Forwards: 70',
  'f: "A, \\"B\\"" <sip:a@b;x=1>;tag=1',
  'Subject: first',
  '  second',
  '\tthird',
  't: <sip:c@d>',
  'i: call@id',
  'CSeq: 4711 INVITE',
]

function parse(lines: readonly string[], body = '') {
  return parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`))
}

describe('parseMessage', () => {
  it('reads compact and folded headers and comma lists', () => {
    const parsed = parse([...BASE, 'l: 4'], 'bodyMORE')
    expect(parsed.ok).toBe(true)
    if (!parsed.ok || parsed.value.kind !== 'request') return
    const { headers, body } = parsed.value
    expect(headers.get('subject')).toBe('first second third')
    expect(headers.list('via').length).toBe(2)
    expect(topVia(parsed.value)).toContain('rport')
    expect(parseNameAddr(headers.get('from')!)).toMatchObject({
      display: 'A, "B"',
      uri: 'sip:a@b;x=1',
    })
    expect(body).toBe('body')
  })

  it.each([
    ['empty', ['\r\n\r\n']],
    ['bad_start_line', ['HELLO', ...BASE.slice(1)]],
    ['bad_start_line', ['INVITE sip:a@b SIP/3.0', ...BASE.slice(1)]],
    ['bad_cseq', ['BYE sip:a@b SIP/2.0', ...BASE.slice(1)]],
    ['bad_cseq', [...BASE.slice(0, -1), 'CSeq: 99999999999 INVITE']],
    ['missing_header', BASE.slice(0, -1)],
    ['repeated_header', [...BASE, 'Call-ID: another']],
    ['bad_address', [...BASE.slice(0, -3), 't: "C <sip:c@d>', ...BASE.slice(-2)]],
    [
      'bad_via',
      [
        'OPTIONS sip:a@b SIP/2.0',
        'Via: SIP/2.0/UDP h;;,;',
        ...BASE.slice(2, -1),
        'CSeq: 1 OPTIONS',
      ],
    ],
    ['bad_header', [...BASE, 'no colon here']],
    ['bad_content_length', [...BASE, 'Content-Length: many']],
    ['truncated', [...BASE, 'Content-Length: 10']],
    ['too_many_headers', [...BASE, ...Array.from({ length: MAX_HEADERS }, () => 'X-A: 1')]],
    ['too_large', [...BASE, `X-A: ${'a'.repeat(9000)}`]],
    ['too_large', [...BASE, `X-A: ${'a'.repeat(70_000)}`]],
  ])('refuses: %s', (failure, lines) => {
    expect(parse(lines)).toEqual({ ok: false, failure })
  })

  it('takes bare line feeds', () => {
    expect(parseMessage(Buffer.from(`${BASE.join('\n')}\n\n`)).ok).toBe(true)
  })

  it('never throws, whatever arrives', () => {
    expect(() => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 400 }),
          (bytes) => void parseMessage(Buffer.from(bytes)),
        ),
      )
      const line = fc.oneof(
        fc.constantFrom(...BASE),
        fc.string(),
        fc.constant(''),
        fc.constant(' x'),
      )
      fc.assert(fc.property(fc.array(line), (lines) => void parse(lines)))
    }).not.toThrow()
  })

  it('reads back what it wrote', () => {
    const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,10}$/)
    const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
    const extra = fc.array(
      fc.tuple(
        token.map((name) => `x-${name.toLowerCase()}`),
        value,
      ),
      { maxLength: 10 },
    )
    fc.assert(
      fc.property(extra, fc.string({ unit: 'binary' }), (fields, body) => {
        const headers = new Headers()
          .add('via', 'SIP/2.0/UDP h;branch=z9hG4bKx')
          .add('from', '<sip:a@b>;tag=1')
          .add('to', '<sip:c@d>')
          .add('call-id', 'id')
          .add('cseq', '1 INVITE')
        for (const [name, text] of fields) headers.add(name, text)
        const sent: SipRequest = {
          kind: 'request',
          method: 'INVITE',
          uri: 'sip:x@y',
          headers,
          body,
        }
        const bytes = serialise(sent)
        const parsed = parseMessage(bytes)
        expect(parsed.ok).toBe(true)
        if (parsed.ok) expect(serialise(parsed.value).equals(bytes)).toBe(true)
      }),
    )
  })

  it('does not let a value start a new header', () => {
    const headers = new Headers().add('subject', 'a\r\nEvil: 1')
    expect(headers.write()).toBe('Subject: a Evil: 1\r\n')
  })
})

describe('sdpOf', () => {
  const sdp = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n'
  const isup = '--x\r\nContent-Type: application/isup;version=itu-t92+\r\n\r\n\x01\x10\r\n'
  const of = (type: string, body: string): string | null => {
    const parsed = parse([...BASE, `Content-Type: ${type}`], body)
    return parsed.ok ? sdpOf(parsed.value) : null
  }

  it('finds the description among several parts', () => {
    const body = `${isup}--x\r\nContent-Disposition: session\r\nContent-Type: application/sdp\r\n\r\n${sdp}\r\n--x--\r\n`
    expect(of('multipart/mixed;boundary=x', body)).toBe(sdp)
    expect(of('multipart/mixed;boundary="x"', `preamble\r\n${body}`)).toBe(sdp)
  })

  it.each([
    ['multipart/mixed', `${isup}--x--`],
    ['multipart/mixed;boundary=x', `${isup}--x--`],
    [
      'multipart/mixed;boundary=x',
      `${isup}--x--\r\n--x\r\nContent-Type: application/sdp\r\n\r\n${sdp}`,
    ],
    ['application/isup', sdp],
  ])('finds none in %s', (type, body) => expect(of(type, body)).toBeNull())
})

describe('header readers', () => {
  it('never throw', () => {
    expect(() => {
      fc.assert(
        fc.property(fc.string(), (text) => {
          splitList(text)
          parseParams(text)
          parseNameAddr(text)
          parseVia(`SIP/2.0/UDP ${text}`)
          parseReason([text])
          parseUri(`sip:${text}`)
          numberOf(`sip:${text}`)
        }),
      )
    }).not.toThrow()
  })

  it('read reasons of both kinds', () => {
    const reason = parseReason(['SIP;cause=486', 'Q.850 ;cause=17 ;text="User busy"'])
    expect(reason).toEqual({ q850: 17, sipCode: 486, text: 'User busy' })
  })
})

describe('URIs', () => {
  it.each([
    'sip:+15555550123@192.0.2.1:5070;user=phone',
    'sips:host.example',
    'sip:a%23b@[2001:db8::1]:5060',
  ])('%s comes back as it was', (text) => {
    expect(formatUri(parseUri(text)!)).toBe(text)
  })

  it.each(['', 'http://x', 'sip:', 'sip:a@b:99999', 'sip:a b@c', `sip:${'a'.repeat(2000)}@b`])(
    '%s is none',
    (text) => {
      expect(parseUri(text)).toBeNull()
    },
  )

  it.each([
    ['sip:+15555550123@x', '+15555550123'],
    ['sip:15555550123@x;user=phone', '+15555550123'],
    ['sip:0015555550123@x', '+15555550123'],
    ['sip:+1-555-555-0123;phone-context=x@x', '+15555550123'],
    ['tel:+1-555-555-0123;x=y', '+15555550123'],
    ['sip:alice@x', 'alice'],
    ['sip:x.example', null],
  ])('the number of %s is %s', (text, number) => {
    expect(numberOf(text)).toBe(number)
  })
})
