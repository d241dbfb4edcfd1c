// Trunks in the config file: what each default is, every fault by its path, certificates read, and no secret in a message.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from './config.ts'

const SECRET = 'hunter2-hunter2'

function read(trunks: unknown[], files: Record<string, string> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'saperly-trunks-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  writeFileSync(join(directory, 'saperly.config.json'), JSON.stringify({ trunks }))
  try {
    return { trunks: readConfig({}, directory).trunks, faults: [] as readonly string[] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    expect(error.message).not.toContain(SECRET)
    return { trunks: [], faults: error.faults }
  }
}

const trunk = (more: Record<string, unknown> = {}) => ({ name: 'a', address: '192.0.2.1', ...more })

describe('a trunk', () => {
  it('needs a name and an address', () => {
    expect(read([trunk()]).trunks).toEqual([
      {
        ...trunk(),
        transport: 'udp',
        tls: null,
        username: null,
        password: null,
        authRealm: null,
        register: null,
        inbound: {
          sources: null,
          username: null,
          password: null,
          algorithms: ['SHA-256', 'MD5'],
        },
        callsPerSec: null,
        maxCalls: null,
        optionsIntervalSec: 30,
        srtp: 'off',
        codecs: ['PCMU', 'PCMA'],
        headers: {},
        identity: 'none',
        privacy: 'none',
        dtmf: 'auto',
        refer: true,
        followRedirects: 0,
        redirectHosts: [],
        stripPlus: false,
        callerId: null,
        prefixes: ['+'],
        failover: [],
      },
    ])
  })

  it('names each of its codecs once, among those that there are', () => {
    const codecs = ['opus', 'G722', 'PCMA', 'PCMU']
    expect(read([trunk({ codecs })]).trunks).toMatchObject([{ codecs }])
    for (const wrong of [[], ['PCMU', 'PCMU'], ['G729'], ['OPUS']]) {
      expect(read([trunk({ codecs: wrong })]).faults).toHaveLength(1)
    }
  })

  it.each([
    'sip.example.com',
    'sip.example.com:5080',
    '192.0.2.1:5070',
    '[2001:db8::1]',
    '[::1]:5062',
  ])('may be at %s', (address) => expect(read([trunk({ address })]).faults).toEqual([]))

  it.each([
    '',
    '2001:db8::1',
    '[192.0.2.1]',
    '192.0.2.999',
    'a b',
    'x:99999',
    'x:0',
    'sip:x',
    'a@b',
    '-x',
  ])('is not at %j', (address) =>
    expect(read([trunk({ address })]).faults).toEqual([
      expect.stringMatching(/^config file: trunks\.0\.address: /),
    ]),
  )

  it('tells all its faults at once', () => {
    const { faults } = read([
      trunk({
        transport: 'tcp',
        password: SECRET,
        tls: { certificate: 'x.pem' },
        register: { expiresSec: 3600 },
        inbound: { sources: ['0.0.0.0/0'], password: SECRET },
      }),
      trunk(),
    ])
    expect(faults.map((fault) => fault.split(': ')[1])).toEqual([
      'trunks.0.username',
      'trunks.0.tls',
      'trunks.0.tls.key',
      'trunks.0.register.aor',
      'trunks.0.inbound.password',
      'trunks.0.inbound.sources',
    ])
    const shapes = read([
      trunk({ headers: { From: SECRET }, failover: [486, 200, 401], optionsIntervalSec: 1 }),
      trunk({ inbound: { sources: ['192.0.2.0/33', 'x', '::/129'] }, callsPerSec: 0 }),
      trunk({ headers: { 'X-A': 'two\r\nlines' }, followRedirects: -1, register: { aor: SECRET } }),
    ])
    expect(shapes.faults).toHaveLength(12)
  })

  it('has a name of its own', () => {
    expect(read([trunk(), trunk()]).faults).toEqual([
      'config file: trunks.1.name: is taken by a trunk before it',
    ])
  })

  it('lets everybody call in only with a password', () => {
    const inbound = { sources: ['0.0.0.0/0', '::/0'], username: 'peer', password: SECRET }
    expect(read([trunk({ inbound })]).faults).toEqual([])
  })
})

describe('the documentation', () => {
  const text = readFileSync(new URL('../../../docs/trunks.md', import.meta.url), 'utf8')

  it('shows trunks that are good ones, and names every setting', () => {
    const examples = [...text.matchAll(/```json trunk\n([\s\S]*?)```/g)].map(([, json]) => json!)
    expect(examples.length).toBeGreaterThan(1)
    expect(read(examples.map((json) => JSON.parse(json))).faults).toEqual([])
    const settings = Object.keys(read([trunk()]).trunks[0]!)
    expect(settings.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })
})

describe('the certificates of a trunk', () => {
  const fixture = (name: string): string =>
    readFileSync(new URL(`../../../test/sip/certificates/${name}`, import.meta.url), 'utf8')
  const files = {
    'ca.pem': fixture('ca.pem'),
    'node.pem': fixture('node.pem'),
    'node.key': fixture('node.key'),
    'other.key': fixture('carrier.key'),
    'notes.txt': 'no certificate',
  }
  const secure = (tls: Record<string, unknown>) => trunk({ transport: 'tls', tls })

  it('are read where the config is', () => {
    const tls = { ca: 'ca.pem', certificate: 'node.pem', key: 'node.key' }
    const { trunks, faults } = read([secure(tls)], files)
    expect(faults).toEqual([])
    expect(trunks[0]!.tls).toEqual({
      ca: files['ca.pem'],
      certificate: files['node.pem'],
      key: files['node.key'],
      serverName: null,
      minVersion: 'TLSv1.2',
    })
  })

  it('must be there, be certificates, and fit together', () => {
    const faultsOf = (tls: Record<string, unknown>) => read([secure(tls)], files).faults
    expect(faultsOf({ ca: 'gone.pem' })).toEqual([
      'config file: trunks.0.tls.ca: the file it names can’t be read',
    ])
    const misfit =
      'config file: trunks.0.tls: its files are no PEM certificates and keys that fit together'
    expect(faultsOf({ ca: 'notes.txt' })).toEqual([misfit])
    expect(faultsOf({ certificate: 'node.pem', key: 'other.key' })).toEqual([misfit])
  })

  it('are the same for one server name', () => {
    const one = { ...secure({ ca: 'ca.pem', serverName: 'sip.example.com' }), name: 'one' }
    const two = trunk({ name: 'two', transport: 'tls', address: 'SIP.example.com:5061' })
    expect(read([one, two], files).faults).toEqual([
      'config file: trunks.1.tls: differs from a trunk before it with the same server name',
    ])
  })
})
