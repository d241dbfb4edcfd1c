// Dialogs: where the next request goes, with loose and strict routes, and what is kept for recovery.
import { describe, expect, it } from 'vitest'
import type { DialogRecord } from '../port.ts'
import { Dialog } from './dialog.ts'
import { parseHop, udpHop } from './hop.ts'
import { parseMessage } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'

const SENT_TO = udpHop({ address: '192.0.2.1', port: 5060 })

function answer(...lines: string[]): SipResponse {
  const parsed = parseMessage(
    Buffer.from(
      [
        'SIP/2.0 200 OK',
        'Via: SIP/2.0/UDP x;branch=z9hG4bK1',
        'From: <sip:a@x>;tag=ours',
        'To: <sip:b@x>;tag=theirs',
        'Call-ID: id',
        'CSeq: 4 INVITE',
        ...lines,
        '',
        '',
      ].join('\r\n'),
    ),
  )
  if (!parsed.ok || parsed.value.kind !== 'response') throw new Error('not a response')
  return parsed.value
}

function route(request: SipRequest): string[] {
  return [request.uri, ...request.headers.all('route')]
}

describe('a dialog of a caller', () => {
  it('goes to the Contact without routes', () => {
    const dialog = Dialog.ofCaller(answer('Contact: "B" <sip:b@192.0.2.9:5080;x=y>;q=1'), SENT_TO)
    const bye = dialog.request({ method: 'BYE' })
    expect(dialog.nextUri).toMatchObject({ host: '192.0.2.9', port: 5080 })
    expect(route(bye)).toEqual(['sip:b@192.0.2.9:5080;x=y'])
    expect(bye.headers.get('cseq')).toBe('5 BYE')
    expect(bye.headers.get('to')).toBe('<sip:b@x>;tag=theirs')
  })

  it('turns Record-Route round, and goes to its first element', () => {
    const lines = [
      'Record-Route: <sip:192.0.2.20;lr>, <sip:192.0.2.21:5070;lr>',
      'Contact: <sip:b@192.0.2.9>',
    ]
    const dialog = Dialog.ofCaller(answer(...lines), SENT_TO)
    expect(dialog.nextUri).toMatchObject({ host: '192.0.2.21', port: 5070 })
    expect(route(dialog.request({ method: 'BYE' }))).toEqual([
      'sip:b@192.0.2.9',
      '<sip:192.0.2.21:5070;lr>',
      '<sip:192.0.2.20;lr>',
    ])
  })

  it('serves a strict router', () => {
    const lines = [
      'Record-Route: <sip:192.0.2.20;lr>, <sip:192.0.2.21>',
      'Contact: <sip:b@192.0.2.9>',
    ]
    const dialog = Dialog.ofCaller(answer(...lines), SENT_TO)
    expect(route(dialog.request({ method: 'BYE' }))).toEqual([
      'sip:192.0.2.21',
      '<sip:192.0.2.20;lr>',
      '<sip:b@192.0.2.9>',
    ])
  })

  it('takes requests of the peer in order, each once', () => {
    const dialog = Dialog.ofCaller(answer(), SENT_TO)
    expect([7, 7, 6, 8].map((number) => dialog.takeRemoteCSeq(number))).toEqual([
      true,
      false,
      false,
      true,
    ])
  })

  it('keeps the protocol in its record', () => {
    const hop = 'TLS 192.0.2.1:5061 sip.carrier.example'
    const record = Dialog.ofCaller(answer(), parseHop(hop)!).toRecord(null)
    expect(record.remoteAddress).toBe(hop)
    expect(Dialog.ofRecord(record)!.remote).toEqual(parseHop(hop))
  })

  it('comes back from its record', () => {
    const lines = ['Record-Route: <sip:192.0.2.20;lr>', 'Contact: <sip:b@192.0.2.9>']
    const record: DialogRecord = Dialog.ofCaller(answer(...lines), SENT_TO).toRecord('trunk')
    expect(record).toMatchObject({ trunk: 'trunk', localCSeq: 4, remoteAddress: '192.0.2.1:5060' })
    const back = Dialog.ofRecord(JSON.parse(JSON.stringify(record)) as DialogRecord)!
    expect(back.toRecord('trunk')).toEqual(record)
    expect(back.request({ method: 'BYE' }).headers.get('cseq')).toBe('5 BYE')
    expect(Dialog.ofRecord({ ...record, remoteAddress: 'nowhere' })).toBeNull()
  })
})
