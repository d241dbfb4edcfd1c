// Every example is run as its reader would run it, against a server with the tone pair as its speech.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWorld, type World } from '../world.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const CALL_LIMIT_MS = 120_000

let world: World

beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

async function example(program: string, path: string): Promise<string> {
  const { stdout, stderr } = await run(program, [resolve(root, 'examples', path)], {
    cwd: root,
    env: { PATH: process.env['PATH'], SAPERLY_URL: world.url, SAPERLY_API_KEY: world.token },
    timeout: CALL_LIMIT_MS,
  })
  expect(stderr).toBe('')
  return stdout
}

test.concurrent(
  'a brain over the socket, in 20 lines',
  async () => {
    const lines = readFileSync(resolve(root, 'examples/brain-socket.mjs'), 'utf8').trimEnd()
    expect(lines.split('\n').length).toBeLessThanOrEqual(20)
    expect(await example(process.execPath, 'brain-socket.mjs')).toBe('completed\n')
  },
  CALL_LIMIT_MS,
)

test.concurrent(
  'a brain over a webhook',
  async () => {
    const told = await example(process.execPath, 'brain-webhook.mjs')
    expect(told).toMatch(/^outbound_call[\s\S]*turn [\s\S]*call_ended/)
  },
  CALL_LIMIT_MS,
)

test.concurrent(
  'a hosted connection on a model of one’s own',
  async () => {
    const told = await example(process.execPath, 'hosted/main.mjs')
    expect(told).toContain('agent:  This is a model of your own speaking.')
    expect(told).toContain('caller: ')
    expect(told).toMatch(/completed, \d+ cents\n$/)
  },
  CALL_LIMIT_MS,
)

test.concurrent(
  'consent, a call, live events and its end, with curl alone',
  async () => {
    const told = await example('bash', 'curl.sh')
    expect(told).toMatch(/event: answered[\s\S]*event: ended/)
    expect(told).toContain('"durationSec":42')
    expect(told).toContain(`"costCents":${Math.ceil((42 * 13) / 60)}`)
    expect(told).toContain('"balanceCents"')
  },
  CALL_LIMIT_MS,
)
