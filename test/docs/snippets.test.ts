// Every bash and js snippet of the documentation is run as it stands, against a server; all other fences are output.
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWorld, type World } from '../world.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const LIMIT_MS = 120_000
/** Where `npm start` listens, and the documentation says so. */
const DOCUMENTED_URL = 'http://127.0.0.1:8080'

interface Snippet {
  language: string
  code: string
}

let world: World
/** Below the packages, so that imports are found. */
let modules: string
/** Stands for the checkout in which the server was started. */
let directory: string

beforeAll(async () => {
  world = await openWorld()
  modules = await mkdtemp(join(root, 'node_modules/.snippets-'))
  directory = await mkdtemp(join(tmpdir(), 'saperly-snippets-'))
  await symlink(world.dataDir, join(directory, '.saperly'))
})
afterAll(async () => {
  await rm(modules, { recursive: true, force: true })
  await rm(directory, { recursive: true, force: true })
  await world.close()
})

function snippetsOf(text: string): Snippet[] {
  return [...text.matchAll(/^```(bash|js)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    language: language!,
    code: code!,
  }))
}

async function output({ language, code }: Snippet, name: string): Promise<string> {
  const path = join(modules, language === 'js' ? `${name}.mjs` : `${name}.sh`)
  await writeFile(path, code.replaceAll(DOCUMENTED_URL, world.url))
  const [program, args] = language === 'js' ? [process.execPath, [path]] : ['bash', ['-eu', path]]
  const { stdout, stderr } = await run(program, args, {
    cwd: directory,
    env: { PATH: process.env['PATH'], SAPERLY_URL: world.url, SAPERLY_API_KEY: world.token },
    timeout: LIMIT_MS,
  })
  if (stderr !== '') throw new Error(`${name}: ${stderr}`)
  return stdout
}

async function outputsOf(path: string): Promise<string[]> {
  const snippets = snippetsOf(await readFile(join(root, path), 'utf8'))
  const name = path.replace(/\W/g, '-')
  return Promise.all(snippets.map((snippet, at) => output(snippet, `${name}-${at}`)))
}

test.concurrent(
  'README.md',
  async () => {
    const [curl, sdk, brain] = await outputsOf('README.md')
    expect(curl).toMatch(/event: answered[\s\S]*"durationSec":42[\s\S]*"balanceCents"/)
    expect(sdk).toMatch(/agent: {2}\S[\s\S]*caller:[\s\S]*\d+ cents\ntrue 403 req_\w+\n$/)
    expect(brain).toBe('completed\n')
  },
  LIMIT_MS,
)

test('the brain of README.md is the example', async () => {
  const example = await readFile(join(root, 'examples/brain-socket.mjs'), 'utf8')
  expect(await readFile(join(root, 'README.md'), 'utf8')).toContain(example)
})

test.concurrent(
  'the pages of docs and of the packages',
  async () => {
    const pages = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'))
    const paths = [...pages.map((name) => `docs/${name}`), 'packages/sdk/README.md']
    const outputs = await Promise.all(paths.map(outputsOf))
    expect(outputs.flat().length).toBeGreaterThan(0)
  },
  LIMIT_MS,
)

test('links inside the documentation lead somewhere', async () => {
  const broken: string[] = []
  for (const page of ['README.md', 'examples/README.md']) {
    const text = await readFile(join(root, page), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      const found = await readFile(resolve(root, page, '..', target)).catch(() => null)
      if (found === null) broken.push(`${page}: ${target}`)
    }
  }
  expect(broken).toEqual([])
})
