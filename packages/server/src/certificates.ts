// Certificates and keys of the configuration: read from their files, and tried out before anything starts.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'

/** PEM texts that belong together; what isn't configured is null. */
export interface Pems {
  ca: string | null
  certificate: string | null
  key: string | null
}

/** The text of a file, its path taken from `directory`; null when there is none. Adds to `faults` what can't be read. */
export function readPem(
  file: string | null,
  directory: string,
  where: string,
  faults: string[],
): string | null {
  if (file === null) return null
  try {
    return readFileSync(resolve(directory, file), 'utf8')
  } catch {
    faults.push(`${where}: the file it names can’t be read`)
    return null
  }
}

/** Whether they are what they should be, and the key is that of the certificate. */
export function pemsFit({ ca, certificate, key }: Pems): boolean {
  // OpenSSL takes a CA file without a certificate for an empty one.
  if (ca !== null && !ca.includes('-----BEGIN CERTIFICATE-----')) return false
  try {
    createSecureContext({
      ...(ca !== null && { ca }),
      ...(certificate !== null && key !== null && { cert: certificate, key }),
    })
    return true
  } catch {
    // What is wrong with a key is not to be told in detail.
    return false
  }
}
