// Configuration: defaults, both sources, and every fault at once without the value that caused it.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { silentLog, SystemClock } from '@saperly/kernel'
import { ConfigError, readConfig } from './config.ts'
import { configuredSpeech } from './speech-engines.ts'

function folder(file?: unknown): string {
  const directory = mkdtempSync(join(tmpdir(), 'saperly-config-'))
  if (file !== undefined) {
    writeFileSync(join(directory, 'saperly.config.json'), JSON.stringify(file))
  }
  return directory
}

function faultsOf(environment: Record<string, string>, directory: string): readonly string[] {
  try {
    readConfig(environment, directory)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

test('nothing set: loopback, embedded, free SIP and RTP ports', () => {
  const config = readConfig({}, folder())
  expect(config).toMatchObject({
    port: 8080,
    host: '127.0.0.1',
    databaseUrl: null,
    sip: { host: '127.0.0.1', port: 0 },
    rtp: { ports: null },
    trunks: [],
    limits: { requestsPerSec: 50, burst: 200, liveCalls: 100 },
  })
})

test('a trunk brings the well-known ports', () => {
  const config = readConfig({}, folder({ trunks: [{ name: 'main', address: '127.0.0.1:5070' }] }))
  expect(config.sip.port).toBe(5060)
  expect(config.rtp.ports).toEqual({ first: 10_000, last: 19_999 })
  expect(config.trunks[0]).toMatchObject({ prefixes: ['+'], codecs: ['PCMU', 'PCMA'] })
})

test('all faults at once, and never the value', () => {
  const secret = 'sk_test_short'
  const faults = faultsOf(
    { PORT: 'x', SAPERLY_ROOT_KEY: secret, LOG_LEVEL: 'loud' },
    folder({ trunks: [{ name: 'Main' }], unknown: 1 }),
  )
  expect(faults.join('\n')).toMatch(/PORT/)
  expect(faults.join('\n')).toMatch(/SAPERLY_ROOT_KEY/)
  expect(faults.join('\n')).toMatch(/LOG_LEVEL/)
  expect(faults.join('\n')).toMatch(/config file: trunks\.0\.name/)
  expect(faults.join('\n')).not.toContain(secret)
})

test('RTP ports must be a range that starts even', () => {
  expect(faultsOf({ RTP_PORT_MIN: '10001', RTP_PORT_MAX: '10000' }, folder())).toHaveLength(2)
})

test('the config file in the documentation is a good one', () => {
  const text = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')
  const example = /```json config\n([\s\S]*?)```/.exec(text)![1]!
  const config = readConfig({}, folder(JSON.parse(example)))
  expect(config.trunks[0]?.name).toBe('carrier')
  expect(Object.keys(config.models)).toEqual(['house'])
})

test('the engines in the documentation are good ones', async () => {
  const text = readFileSync(new URL('../../../docs/speech.md', import.meta.url), 'utf8')
  const example = /```json config\n([\s\S]*?)```/.exec(text)![1]!
  const { speech } = readConfig({}, folder(JSON.parse(example)))
  const deps = { clock: new SystemClock(), log: silentLog }
  expect(await configuredSpeech('embedded', speech, deps)).toMatchObject({
    engines: { flux: { kind: 'deepgram' }, sonic: { kind: 'cartesia' } },
  })
})

const CERTIFICATES = join(import.meta.dirname, '../../../test/sip/certificates')

test('SIP listens on IPv6, and says where it is reached when it listens everywhere', () => {
  const config = readConfig({ SIP_HOST: '2001:db8::1' }, folder())
  expect(config.sip).toMatchObject({ host: '2001:db8::1', publicHost: null, tls: null })
  expect(faultsOf({ SIP_HOST: '[::1]' }, folder())).toEqual([
    'SIP_HOST: must be an IPv4 or IPv6 address, without brackets',
  ])
  for (const everywhere of ['0.0.0.0', '::']) {
    expect(faultsOf({ SIP_HOST: everywhere }, folder())).toEqual([
      'SIP_PUBLIC_HOST: must be given where SIP_HOST stands for every address',
    ])
    const environment = { SIP_HOST: everywhere, SIP_PUBLIC_HOST: '192.0.2.1' }
    expect(readConfig(environment, folder()).sip.publicHost).toBe('192.0.2.1')
  }
})

test('a certificate opens TLS', () => {
  const environment = { SIP_TLS_CERT: 'node.pem', SIP_TLS_KEY: 'node.key', SIP_TLS_CA: 'ca.pem' }
  const { tls } = readConfig(environment, CERTIFICATES).sip
  expect(tls).toMatchObject({ port: 0 })
  expect(tls!.certificate).toContain('BEGIN CERTIFICATE')
  expect(tls!.clientCa).toContain('BEGIN CERTIFICATE')
  expect(readConfig({ ...environment, SIP_TLS_PORT: '5071' }, CERTIFICATES).sip.tls!.port).toBe(
    5071,
  )
})

test.each([
  [{ SIP_TLS_CERT: 'node.pem' }, 'SIP_TLS_KEY: SIP_TLS_CERT and SIP_TLS_KEY go together'],
  [{ SIP_TLS_PORT: '5061' }, 'SIP_TLS_PORT: needs SIP_TLS_CERT and SIP_TLS_KEY'],
  [
    { SIP_TLS_CERT: 'none.pem', SIP_TLS_KEY: 'node.key' },
    'SIP_TLS_CERT: the file it names can’t be read',
  ],
  [
    { SIP_TLS_CERT: 'node.pem', SIP_TLS_KEY: 'carrier.key' },
    'SIP_TLS_CERT: its file, the key and the CA are no PEM that fits together',
  ],
  [
    { SIP_TLS_CERT: 'node.pem', SIP_TLS_KEY: 'node.key', SIP_TLS_CA: 'node.key' },
    'SIP_TLS_CERT: its file, the key and the CA are no PEM that fits together',
  ],
])('what does not go together is a fault: %j', (environment, fault) => {
  expect(faultsOf(environment, CERTIFICATES)).toEqual([fault])
})

test('a rate for everywhere is a fault, and no bug', () => {
  const rates = [{ prefix: '+', manualCentsPerMin: 1, hostedCentsPerMin: 1 }]
  expect(faultsOf({}, folder({ rates }))).toEqual([
    'config file: rates.0.prefix: must have a digit at least',
  ])
})

test('retention keeps for ever what is not set, and signalling for a month at most', () => {
  const forEver = { recordingsDays: null, transcriptsDays: null, eventsDays: null }
  expect(readConfig({}, folder()).retention).toEqual({ ...forEver, signallingDays: 30 })
  const set = folder({ retention: { recordingsDays: 90 } })
  expect(readConfig({}, set).retention).toMatchObject({ recordingsDays: 90, eventsDays: null })
  const bad = folder({ retention: { signallingDays: 31, eventsDays: 0 } })
  expect(faultsOf({}, bad).join('\n')).toMatch(/signallingDays[\s\S]*eventsDays/)
})

test('roles: alone by default; a cluster needs its bus, one database and one key', () => {
  expect(readConfig({}, folder())).toMatchObject({ role: 'all', natsUrls: [] })
  const whole = {
    SAPERLY_ROLE: 'network',
    NATS_URL: 'nats://a:4222,tls://user:word@b:4222',
    DATABASE_URL: 'postgres://db/saperly',
    SAPERLY_SECRET_KEY: '5a'.repeat(32),
    RECORDINGS_DIR: '/shared/recordings',
  }
  expect(readConfig(whole, folder())).toMatchObject({
    role: 'network',
    natsUrls: ['nats://a:4222', 'tls://user:word@b:4222'],
    recordingsDir: '/shared/recordings',
  })
  expect(faultsOf({ SAPERLY_ROLE: 'api' }, folder()).map((fault) => fault.split(':')[0])).toEqual([
    'NATS_URL',
    'DATABASE_URL',
    'SAPERLY_SECRET_KEY',
  ])
  const bus = faultsOf({ ...whole, NATS_URL: 'http://user:word@a' }, folder())
  expect(bus.join('\n')).toMatch(/NATS_URL/)
  expect(bus.join('\n')).not.toContain('word@')
  expect(faultsOf({ SAPERLY_ROLE: 'both' }, folder()).join()).toMatch(/SAPERLY_ROLE/)
})
