// The protection of one leg's packets and reports: plain, or secured both ways with the keys that SDP carried.
import { SrtcpReceiver, SrtcpSender } from './srtcp.ts'
import { SrtpReceiver, SrtpSender } from './srtp.ts'
import type { SrtpKeys } from './srtp-keys.ts'

/** `seal` before sending, `open` after receiving; null for what can't be believed. */
export interface Protection {
  sealPacket(packet: Uint8Array): Uint8Array
  openPacket(data: Uint8Array): Uint8Array | null
  sealReport(report: Uint8Array): Uint8Array
  openReport(data: Uint8Array): Uint8Array | null
}

export const PLAIN: Protection = {
  sealPacket: (packet) => packet,
  openPacket: (data) => data,
  sealReport: (report) => report,
  openReport: (data) => data,
}

/**
 * The protection with `keys`, after the one before. What a new offer leaves as it was goes on counting where it is: a
 * keystream that began anew under the same key would give its secret away.
 */
export function protectionFor(keys: SrtpKeys | null, before: Protection): Protection {
  if (keys === null) return PLAIN
  return new Secured(keys, before instanceof Secured ? before : null)
}

class Secured implements Protection {
  readonly #keys: SrtpKeys
  readonly #sender: SrtpSender
  readonly #receiver: SrtpReceiver
  readonly #reportSender: SrtcpSender
  readonly #reportReceiver: SrtcpReceiver

  constructor(keys: SrtpKeys, before: Secured | null) {
    const { suite, sendKey, receiveKey, receiveMkiBytes: mkiBytes } = keys
    const last = before && before.#keys
    const same = (key: 'sendKey' | 'receiveKey'): boolean =>
      last?.suite === suite && Buffer.compare(last[key], keys[key]) === 0
    const sends = before && same('sendKey')
    const receives = before && same('receiveKey') && last?.receiveMkiBytes === mkiBytes
    this.#keys = keys
    this.#sender = sends ? before.#sender : new SrtpSender(suite, sendKey)
    this.#reportSender = sends ? before.#reportSender : new SrtcpSender(sendKey)
    this.#receiver = receives
      ? before.#receiver
      : new SrtpReceiver(suite, receiveKey, mkiBytes, before && before.#receiver)
    this.#reportReceiver = receives
      ? before.#reportReceiver
      : new SrtcpReceiver(receiveKey, mkiBytes)
  }

  sealPacket(packet: Uint8Array): Uint8Array {
    return this.#sender.protect(packet)
  }

  openPacket(data: Uint8Array): Uint8Array | null {
    return this.#receiver.unprotect(data)
  }

  sealReport(report: Uint8Array): Uint8Array {
    return this.#reportSender.protect(report)
  }

  openReport(data: Uint8Array): Uint8Array | null {
    return this.#reportReceiver.unprotect(data)
  }
}
