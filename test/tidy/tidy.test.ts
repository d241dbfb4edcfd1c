// Our own rules, held by a test: who may import whom, what may not be named where, and how large a file may grow.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const MAX_LINES = 400
const MAX_TEST_LINES = 600

interface Source {
  path: string
  text: string
  lines: string[]
  isTest: boolean
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path))
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const isTest = path.endsWith('.test.ts') || path.startsWith('test/') || /\/testing\b/.test(path)
  return { path, text, lines: text.split('\n'), isTest }
}

const sources = [
  ...filesUnder('packages'),
  ...filesUnder('test'),
  ...filesUnder('bench'),
  ...filesUnder('examples'),
]
  .filter((path) => /\.(ts|mjs)$/.test(path) && !path.endsWith('.d.ts'))
  .map(read)

const imports = (source: Source): string[] =>
  [
    ...source.text.matchAll(
      /^(?:import|export)[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)/gm,
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3])!)

/** Offences as `path: what`, so that a failure names them all. */
function offences(check: (source: Source) => string[]): string[] {
  return sources.flatMap((source) => check(source).map((what) => `${source.path}: ${what}`))
}

/** Workspace packages that each may import, besides itself. */
const ALLOWED_PACKAGES: Record<string, string[]> = {
  kernel: [],
  contract: [],
  network: ['kernel'],
  server: ['kernel', 'contract', 'network'],
  sdk: [],
  cli: ['kernel', 'contract', 'sdk', 'server'],
}

test('packages import only what stands below them', () => {
  expect(
    offences(({ path, isTest, ...source }) => {
      // The client's generator reads the contract; what it writes stands alone.
      const own = /^packages\/([^/]+)\/src\//.exec(path)?.[1]
      if (!own || isTest) return []
      return imports({ path, isTest, ...source })
        .flatMap((name) => /^@saperly\/([a-z]+)/.exec(name)?.[1] ?? [])
        .filter((name) => name !== own && !ALLOWED_PACKAGES[own]!.includes(name))
        .map((name) => `may not import @saperly/${name}`)
    }),
  ).toEqual([])
})

/** Folders of the server: which may import which. Rules (consent, ledger, call) know no adapter. */
const ALLOWED_FOLDERS: Record<string, string[]> = {
  bus: [],
  cluster: ['bus', 'call/port.ts', 'call/placement-claim.ts', 'store'],
  store: ['ledger', 'audit'],
  ledger: ['store'],
  audit: ['store'],
  consent: ['store'],
  secrets: ['store/port.ts'],
  privacy: ['store'],
  outbound: [],
  payment: ['store', 'outbound', 'consent'],
  call: ['store', 'consent', 'ledger', 'brain/port.ts'],
  brain: ['store', 'bus', 'call/port.ts', 'outbound', 'secrets', 'webhook/sign.ts', 'consent'],
  webhook: ['store', 'outbound', 'secrets'],
  api: [
    'store',
    'call/port.ts',
    'call/machine.ts',
    'consent',
    'secrets',
    'outbound',
    'webhook',
    'ledger',
    'trace',
  ],
  trace: [],
  network: [],
}

test('imports inside the server point down', () => {
  expect(
    offences((source) => {
      const own = /^packages\/server\/src\/([^/]+)\//.exec(source.path)?.[1]
      // app.ts and its folder join ports to adapters: they may see everything, and nobody sees them.
      if (!own || own === 'app' || source.isTest) return []
      return imports(source)
        .filter((name) => name.startsWith('.'))
        .map((name) =>
          relative(join(root, 'packages/server/src'), resolve(root, dirname(source.path), name)),
        )
        .filter((target) => !target.startsWith(`${own}/`))
        .filter(
          (target) =>
            !(ALLOWED_FOLDERS[own] ?? []).some(
              (allowed) => target === allowed || target.startsWith(`${allowed}/`),
            ),
        )
        .map((target) => `may not import ${target}`)
    }),
  ).toEqual([])
})

/** The one file of the network that speaks to a vendor's speech engine, as a client. */
const VENDOR_CLIENT = 'packages/network/src/speech/vendor-socket.ts'

test('the network plane knows no HTTP server and no SQL', () => {
  expect(
    offences((source) => {
      if (!source.path.startsWith('packages/network/src/')) return []
      // Fake vendors are servers; they serve tests alone.
      if (source.isTest && source.path.startsWith('packages/network/src/speech/')) return []
      const client = source.path === VENDOR_CLIENT && !/WebSocketServer/.test(source.text)
      return imports(source)
        .filter((name) => /^(node:https?|fastify|pg|ws)$/.test(name) && !(client && name === 'ws'))
        .map((name) => `may not import ${name}`)
    }),
  ).toEqual([])
})

const BANNED: [RegExp, string][] = [
  [/\bDate\.now\(/, 'Date.now: take a Clock'],
  [/\bnew Date\(\)/, 'new Date(): take a Clock'],
  [/\bperformance\.now\(/, 'performance.now: take a Clock'],
  [/\b(?:setTimeout|setInterval|setImmediate)\(/, 'raw timer: take a Clock'],
  [/\bMath\.random\(/, 'Math.random: take a Random'],
  [/\brandomUUID\(/, 'randomUUID: take Ids'],
  [/\bconsole\./, 'console: take a Log'],
  [/\bprocess\.env\b/, 'process.env: config.ts reads it'],
]

/** The client stands alone in foreign runtimes; the command talks to a terminal. Each names what it may do. */
const EXEMPT: [RegExp, RegExp][] = [
  [/^packages\/kernel\/src\//, /.*/],
  [/^packages\/server\/src\/config\.ts$/, /process\.env/],
  [/^packages\/sdk\/src\//, /raw timer|Date\.now|Math\.random|randomUUID/],
  [/^packages\/cli\/src\//, /process\.env|raw timer|Date\.now|new Date/],
]

test('banned names stay out', () => {
  expect(
    offences((source) => {
      if (source.isTest || !/^packages\/[^/]+\/src\//.test(source.path)) return []
      const code = source.text.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '$1')
      return BANNED.filter(([pattern]) => pattern.test(code))
        .map(([, what]) => what)
        .filter(
          (what) =>
            !EXEMPT.some(([where, allowed]) => where.test(source.path) && allowed.test(what)),
        )
    }),
  ).toEqual([])
})

test('no file grows beyond a screenful of screens, and each says what it is', () => {
  expect(
    offences((source) => {
      const limit = source.isTest ? MAX_TEST_LINES : MAX_LINES
      const found: string[] = []
      // A generated file is read by nobody.
      if (source.lines.length > limit + 1 && !source.path.includes('/generated/'))
        found.push(`${source.lines.length} lines, at most ${limit}`)
      const first = source.lines[0]!.startsWith('#!') ? source.lines[1]! : source.lines[0]!
      if (!/^(\/\/|\/\*\*) \S/.test(first)) found.push('the first line must say what the file is')
      return found
    }),
  ).toEqual([])
})

test('no folder or file is a drawer for everything', () => {
  expect(
    offences(({ path }) =>
      /(^|\/)(utils?|helpers?|misc|common)(\/|\.ts$)/.test(path) ? ['is a drawer'] : [],
    ),
  ).toEqual([])
})

test('no unfinished work is left in the text', () => {
  const words = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`)
  expect(offences(({ text }) => (words.test(text) ? ['names unfinished work'] : []))).toEqual([])
})

/** Node ships a skipped check as quietly as a passed one: only what needs a foreign peer may be skipped, and loudly. */
test('no test is switched off', () => {
  expect(
    offences(({ path, text }) =>
      path !== 'test/tidy/tidy.test.ts' && /\b(?:test|it|describe)\.(?:skip|only|todo)\(/.test(text)
        ? ['a test is switched off']
        : [],
    ),
  ).toEqual([])
})
