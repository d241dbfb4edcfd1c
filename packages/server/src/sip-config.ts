// Where SIP listens: addresses, ports and the certificate that is shown over TLS, from the environment.
import { isIP } from 'node:net'
import { z } from 'zod'
import { pemsFit, readPem } from './certificates.ts'

const port = z.coerce.number().int().min(0).max(65_535)
const address = z
  .string()
  .refine((text) => isIP(text) !== 0, 'must be an IPv4 or IPv6 address, without brackets')
const file = z.string().min(1)

export const sipEnvironment = {
  SIP_HOST: address.default('127.0.0.1'),
  SIP_PORT: port.optional(),
  SIP_PUBLIC_HOST: address.optional(),
  SIP_TLS_PORT: port.optional(),
  SIP_TLS_CERT: file.optional(),
  SIP_TLS_KEY: file.optional(),
  SIP_TLS_CA: file.optional(),
}

type SipEnvironment = z.output<z.ZodObject<typeof sipEnvironment>>

export interface SipConfig {
  host: string
  /** UDP and TCP. */
  port: number
  publicHost: string | null
  /** PEM texts; null: nobody can reach us over TLS, but we others. */
  tls: { port: number; certificate: string; key: string; clientCa: string | null } | null
}

const DEFAULT_PORT = 5060
const DEFAULT_TLS_PORT = 5061

/** Adds to `faults` what doesn't go together or can't be read; paths are taken from `directory`. */
export function sipConfig(
  env: SipEnvironment,
  directory: string,
  hasTrunks: boolean,
  faults: string[],
): SipConfig {
  const publicHost = env.SIP_PUBLIC_HOST ?? null
  if (publicHost === null && (env.SIP_HOST === '0.0.0.0' || env.SIP_HOST === '::')) {
    // Nobody could answer to such an address.
    faults.push('SIP_PUBLIC_HOST: must be given where SIP_HOST stands for every address')
  }
  return {
    host: env.SIP_HOST,
    // Without a trunk any free port will do, so that instances don't collide.
    port: env.SIP_PORT ?? (hasTrunks ? DEFAULT_PORT : 0),
    publicHost,
    tls: tlsConfig(env, directory, hasTrunks, faults),
  }
}

function tlsConfig(
  env: SipEnvironment,
  directory: string,
  hasTrunks: boolean,
  faults: string[],
): SipConfig['tls'] {
  const { SIP_TLS_CERT: certFile, SIP_TLS_KEY: keyFile, SIP_TLS_CA: caFile } = env
  if (certFile === undefined && keyFile === undefined) {
    for (const name of ['SIP_TLS_CA', 'SIP_TLS_PORT'] as const) {
      if (env[name] !== undefined) faults.push(`${name}: needs SIP_TLS_CERT and SIP_TLS_KEY`)
    }
    return null
  }
  if (certFile === undefined || keyFile === undefined) {
    faults.push('SIP_TLS_KEY: SIP_TLS_CERT and SIP_TLS_KEY go together')
    return null
  }
  const before = faults.length
  const certificate = readPem(certFile, directory, 'SIP_TLS_CERT', faults)
  const key = readPem(keyFile, directory, 'SIP_TLS_KEY', faults)
  const clientCa = readPem(caFile ?? null, directory, 'SIP_TLS_CA', faults)
  if (faults.length > before || certificate === null || key === null) return null
  if (!pemsFit({ ca: clientCa, certificate, key })) {
    faults.push('SIP_TLS_CERT: its file, the key and the CA are no PEM that fits together')
  }
  const tlsPort = env.SIP_TLS_PORT ?? (hasTrunks ? DEFAULT_TLS_PORT : 0)
  return { port: tlsPort, certificate, key, clientCa }
}
