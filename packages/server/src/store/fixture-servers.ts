// The PostgreSQL servers that the store's tests run on: the embedded one, and the machine's own where it has one.
import { existsSync } from 'node:fs'

const DEBIAN_BIN = '/usr/lib/postgresql/15/bin'

export interface ServerUnderTest {
  name: string
  binDir?: string
}

export const serversUnderTest: readonly ServerUnderTest[] = [
  { name: 'the embedded PostgreSQL' },
  ...(existsSync(`${DEBIAN_BIN}/initdb`) ? [{ name: 'PostgreSQL 15', binDir: DEBIAN_BIN }] : []),
]
