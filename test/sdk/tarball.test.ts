// The client as a customer gets it: packed, installed without a network, used from plain JavaScript, its types compiled.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const sdk = join(root, 'packages/sdk')
const tsc = join(root, 'node_modules/typescript/bin/tsc')

let project: string
let installed: string

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'saperly-tarball-'))
  await run(process.execPath, [tsc, '-b', sdk])
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', project], {
    cwd: sdk,
  })
  const [packed] = JSON.parse(stdout) as [{ filename: string }]
  await writeFile(join(project, 'package.json'), '{"name":"customer","type":"module"}')
  const flags = ['--offline', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts']
  await run('npm', ['install', ...flags, `./${packed.filename}`], { cwd: project })
  installed = join(project, 'node_modules/@saperly/sdk')
}, 120_000)

afterAll(() => rm(project, { recursive: true, force: true }))

async function shipped(): Promise<string[]> {
  const entries = await readdir(installed, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

test('it brings nothing along, and asks nothing of node', async () => {
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as object
  expect(Object.keys(manifest).filter((key) => /dependencies/i.test(key))).toEqual([])
  expect(await readdir(join(project, 'node_modules/@saperly'))).toEqual(['sdk'])
  const files = await shipped()
  expect(files.filter((path) => /\.test\.|testing|tsbuildinfo/.test(path))).toEqual([])
  for (const path of files.filter((name) => name.endsWith('.js'))) {
    const text = await readFile(path, 'utf8')
    const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
      (found) => found[1],
    )
    expect(imported.filter((name) => !name?.startsWith('.'))).toEqual([])
    expect(text).not.toMatch(/\b(?:process|Buffer|require|__dirname)\b[.(]/)
  }
})

/** An API in miniature: one call, and one refusal. */
async function api(): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const refused = request.headers.authorization !== 'Bearer sk_test_1'
    const body = refused
      ? { _tag: 'Unauthorized', message: 'not a key' }
      : [{ id: 'call_1', path: request.url }]
    response.writeHead(refused ? 401 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

test('plain JavaScript uses it', async () => {
  await writeFile(
    join(project, 'main.js'),
    `import { Saperly, Unauthorized } from '@saperly/sdk'
     const baseUrl = process.argv[2]
     for await (const { id } of new Saperly({ apiKey: 'sk_test_1', baseUrl }).calls.list()) console.log(id)
     await new Saperly({ apiKey: 'sk_test_2', baseUrl }).usage.get().catch((error) => {
       console.log(error instanceof Unauthorized, error.status)
     })`,
  )
  const { server, url } = await api()
  const { stdout } = await run(process.execPath, ['main.js', url], { cwd: project })
  expect(stdout).toBe('call_1\ntrue 401\n')
  await new Promise((closed) => server.close(closed))
})

test('its types compile, with the browser’s library alone and with the tightest settings', async () => {
  await mkdir(join(project, 'src'), { recursive: true })
  await writeFile(
    join(project, 'src/main.ts'),
    `import { ConsentRequired, Saperly } from '@saperly/sdk'
     const saperly = new Saperly({ apiKey: 'sk_test_1' })
     export async function main(): Promise<void> {
       const call = await saperly.calls.place({ fromNumberId: 'num_1', to: '+15555550123' })
       for await (const event of saperly.calls.events(call.id, { live: true })) {
         if (event.type === 'speak') event.data.latencyMs?.total.toFixed()
         // @ts-expect-error no such event
         if (event.type === 'nothing') return
       }
       await saperly.manual.connect({
         connectionId: 'conn_1',
         secret: 'mc_1',
         onCall: (one) => one.on('turn', (turn, reply) => reply.say(turn.text)),
       })
       // @ts-expect-error a field that the wire does not know
       await saperly.calls.end(call.id, { seconds: 3 })
       try { await saperly.numbers.list() } catch (error) {
         if (error instanceof ConsentRequired) error.numberId.toUpperCase()
       }
     }`,
  )
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2022',
        lib: ['es2022', 'dom'],
        module: 'nodenext',
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        types: [],
      },
      include: ['src'],
    }),
  )
  const compiled = run(process.execPath, [tsc, '-p', project]).catch(
    (error: { stdout: string }) => error,
  )
  expect((await compiled).stdout).toBe('')
})
