// TLS for SIP: what we show, whom we trust, and by which name a peer has to be known (RFC 3261 section 26.2, RFC 5922).
import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { checkServerIdentity, connect } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import type { Hop } from './hop.ts'

/** How a peer is dealt with that we connect to. Certificates and keys are PEM text. */
export interface TlsClientSettings {
  /** Instead of the CAs that the system trusts. */
  ca: string | null
  /** Shown when the peer asks for one; both or neither. */
  certificate: string | null
  key: string | null
  minVersion: TlsVersion
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** What we show to those who connect to us. */
export interface TlsServerSettings {
  certificate: string
  key: string
  /** When given, only those are heard who show a certificate of this CA. */
  clientCa: string | null
  minVersion: TlsVersion
}

export const DEFAULT_TLS_CLIENT: TlsClientSettings = {
  ca: null,
  certificate: null,
  key: null,
  minVersion: 'TLSv1.2',
}

/** How long a peer may take for its handshake, milliseconds. */
const HANDSHAKE_LIMIT_MS = 10_000

/**
 * Begins a TLS connection to a hop. Its certificate has to be for `serverName`, or for the address when there is no
 * name; otherwise the socket ends with an error. No ALPN is offered: SIP has no name for it that peers agree on.
 */
export function connectTls(
  hop: Hop,
  settings: TlsClientSettings,
  localAddress: string | undefined,
): Socket {
  const { ca, certificate, key, minVersion } = settings
  const name = hop.serverName ?? hop.address
  return connect({
    host: hop.address,
    port: hop.port,
    // An address may not stand in the handshake's server name (RFC 6066 section 3).
    servername: isIP(name) === 0 ? name : '',
    checkServerIdentity: (_, shown) => checkServerIdentity(name, shown),
    rejectUnauthorized: true,
    minVersion,
    ...(localAddress !== undefined && { localAddress }),
    ...(ca !== null && { ca }),
    ...(certificate !== null && key !== null && { cert: certificate, key }),
  })
}

export function serverOptions(settings: TlsServerSettings): TlsOptions {
  const { certificate, key, clientCa, minVersion } = settings
  return {
    cert: certificate,
    key,
    minVersion,
    handshakeTimeout: HANDSHAKE_LIMIT_MS,
    ...(clientCa !== null && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
  }
}
