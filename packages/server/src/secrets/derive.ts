// Keys for different uses from the one of the installation (HKDF, RFC 5869): none of them tells another.
import { hkdfSync } from 'node:crypto'

const KEY_BYTES = 32

/** 32 bytes that sign links to recordings. */
export function linkKey(key: Uint8Array): Uint8Array {
  return derive(key, 'recording links')
}

/** What keys the digests of the audit trail, as text. */
export function auditKey(key: Uint8Array): string {
  return Buffer.from(derive(key, 'audit trail')).toString('hex')
}

/** What keeps the messages of this installation apart from others' on the same bus, as a word. */
export function busPrefix(key: Uint8Array): string {
  return `saperly-${Buffer.from(derive(key, 'bus').slice(0, 8)).toString('hex')}`
}

function derive(key: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), `saperly ${use}`, KEY_BYTES))
}
