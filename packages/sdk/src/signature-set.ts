// The two sets of signatures that a webhook carries, and how each is read: ours, and that of Standard Webhooks 1.0.

export interface SignatureSet {
  headers: { id: string; timestamp: string; signature: string }
  /** What is signed before the body. */
  prefix: (id: string, timestamp: string) => string
  /** The bytes of one signature of the header; empty, and so equal to none, for what is no signature. */
  signature: (text: string) => Uint8Array
  /** The key that a secret stands for, or null when it stands for none. */
  key: (secret: string) => Uint8Array<ArrayBuffer> | null
}

/** Hex over `timestamp.body`, keyed with the whole secret. */
export const OWN: SignatureSet = {
  headers: {
    id: 'x-saperly-delivery-id',
    timestamp: 'x-saperly-timestamp',
    signature: 'x-saperly-signature',
  },
  prefix: (_, timestamp) => `${timestamp}.`,
  signature: (text) => {
    const [, hex = ''] = /^v1=([0-9a-f]{64})$/.exec(text) ?? []
    return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  },
  key: (secret) => new TextEncoder().encode(secret),
}

/** Base64 over `id.timestamp.body`, keyed with what stands after the secret's prefix, decoded from base64. */
export const STANDARD: SignatureSet = {
  headers: {
    id: 'webhook-id',
    timestamp: 'webhook-timestamp',
    signature: 'webhook-signature',
  },
  prefix: (id, timestamp) => `${id}.${timestamp}.`,
  signature: (text) => {
    const [, encoded] = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(text) ?? []
    return encoded === undefined ? new Uint8Array() : bytesOfBase64(encoded)
  },
  key: (secret) => {
    const [, encoded] = /^(?:whsec|mc)_([A-Za-z0-9+/]+)={0,2}$/.exec(secret) ?? []
    // A lone last character is no whole byte, and with an empty key anybody could sign.
    if (encoded === undefined || encoded.length % 4 === 1) return null
    return bytesOfBase64(encoded)
  },
}

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}
