// Agreements for tests that connect legs without SDP.
import { CODECS } from '../codec/codec.ts'
import type { MediaAgreement } from './port.ts'

/** Plain media both ways with a peer on 127.0.0.1: PCMU in packets of 20 ms, events by 101, and what `change` says. */
export function agreementWith(port: number, change: Partial<MediaAgreement> = {}): MediaAgreement {
  const { codec = 'PCMU', payloadType = CODECS[codec].payloadType } = change
  return {
    remote: { address: '127.0.0.1', port },
    codec,
    payloadType,
    accepts: [{ codec, payloadType }],
    dtmfPayloadType: 101,
    dtmfClockRate: 8000,
    dtmfAccepts: [101],
    ptimeMs: 20,
    srtp: null,
    direction: 'sendrecv',
    ...change,
  }
}
