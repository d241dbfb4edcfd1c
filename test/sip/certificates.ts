// The tests' certificates as paths and texts; certificates/README.md says what each is.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, 'certificates')

/** Where a certificate and its key lie. */
export function certificatePaths(name: 'carrier' | 'node' | 'stranger'): {
  certificate: string
  key: string
} {
  return { certificate: join(FOLDER, `${name}.pem`), key: join(FOLDER, `${name}.key`) }
}

/** A certificate and its key, as PEM. */
export function certificate(name: 'carrier' | 'node' | 'stranger'): {
  certificate: string
  key: string
} {
  const paths = certificatePaths(name)
  return {
    certificate: readFileSync(paths.certificate, 'utf8'),
    key: readFileSync(paths.key, 'utf8'),
  }
}

/** The CA that tests trust, and the one that nobody does. */
export const CA_PATH: string = join(FOLDER, 'ca.pem')
export const CA: string = readFileSync(CA_PATH, 'utf8')
export const STRANGER_CA: string = readFileSync(join(FOLDER, 'stranger-ca.pem'), 'utf8')
