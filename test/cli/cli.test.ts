// The saperly command against a running server and its database, as an operator uses it.
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runProgram } from 'saperly'
import { openWorld, type World } from '../world.ts'

let world: World
let directory: string

beforeAll(async () => {
  world = await openWorld()
  directory = await mkdtemp(join(tmpdir(), 'saperly-cli-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
  await world.close()
})

async function saperly(line: string, environment: Record<string, string> = {}, stop?: AbortSignal) {
  let stdout = ''
  let stderr = ''
  const code = await runProgram(
    line.split(' ').filter((word) => word !== ''),
    {
      stdout: (text) => (stdout += text),
      stderr: (text) => (stderr += text),
      environment: {
        SAPERLY_URL: world.url,
        DATA_DIR: world.dataDir,
        SPEECH_ENGINE: 'tone',
        RTP_WORKERS: '1',
        LOG_LEVEL: 'silent',
        ...environment,
      },
      directory,
      colour: false,
      signal: stop ?? new AbortController().signal,
      hurry: new AbortController().signal,
    },
  )
  return { code, stdout, stderr }
}

test('help, version, and words that nobody knows', async () => {
  expect((await saperly('')).stdout).toContain('Usage: saperly <command>')
  expect((await saperly('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect((await saperly('keys create --help')).stdout).toContain('--cap <cents>')
  expect(await saperly('keys')).toMatchObject({ code: 1, stdout: '' })
  expect((await saperly('sing')).stderr).toContain('there is no command sing')
  expect((await saperly('call')).stderr).toContain('<to> is missing')
  expect((await saperly('call +15555550123 --loud')).stderr).toContain("Unknown option '--loud'")
  expect((await saperly('topup five')).stderr).toContain('whole number')
})

test('keys are minted, listed and revoked', async () => {
  const minted = await saperly(
    'keys create ci --scopes read,calls:create --cap 100 --monthly --json',
  )
  const { id, token, scopes } = JSON.parse(minted.stdout)
  expect(scopes).toContain('calls:create')
  expect((await saperly('keys list')).stdout).toMatch(new RegExp(`${id}.*\\$1\\.00 a month.*good`))
  // A key that may not mint says why.
  const denied = await saperly('keys list', { SAPERLY_API_KEY: token })
  expect([denied.code, denied.stderr]).toEqual([1, expect.stringContaining('AuthorizationDenied')])
  expect((await saperly(`keys revoke ${id}`)).code).toBe(0)
  expect((await saperly('keys list')).stdout).toMatch(new RegExp(`${id}.*revoked`))
})

test('a call without consent is refused; with it, it can be followed to its end', async () => {
  const refused = await saperly('call +15555550107')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('ConsentRequired')])
  // This phone answers and hangs up after three seconds.
  const followed = await saperly('call +15555550107 --consent test --follow')
  expect(followed).toMatchObject({ code: 0, stderr: '' })
  expect(followed.stdout).toMatch(/answered[\s\S]*ended: completed \(peer_hangup\)/)
  const busy = await saperly('call +15555550101 --consent test --json')
  expect(JSON.parse(busy.stdout)).toMatchObject({ to: '+15555550101' })
})

test('the demo prints a conversation, its bill, and where the recording is', async () => {
  const path = join(directory, 'demo.wav')
  const demo = await saperly(`demo --turns 1 --out ${path}`)
  expect(demo).toMatchObject({ code: 0, stderr: '' })
  expect(demo.stdout).toContain(`Using the server at ${world.url}`)
  expect(demo.stdout).toMatch(/caller {3}\S/)
  expect(demo.stdout).toMatch(
    /agent .*\[\d+ ms: endpointing \d+ \+ brain \d+ \+ speech \d+ \+ wire \d+\]/,
  )
  expect(demo.stdout).toMatch(/reserve +-\$0\.13[\s\S]*settle/)
  const wav = await readFile(path)
  expect([wav.toString('latin1', 0, 4), wav.readUInt16LE(22), wav.readUInt32LE(24)]).toEqual([
    'RIFF',
    2,
    8000,
  ])
}, 90_000)

test('the operator works on the database of a running server', async () => {
  const made = JSON.parse((await saperly('workspaces create Acme --json')).stdout)
  const usage = (token: string) =>
    fetch(`${world.url}/usage`, { headers: { authorization: `Bearer ${token}` } })
  expect(await (await usage(made.keys.live)).json()).toMatchObject({ balanceCents: 500 })
  const topped = await saperly(`topup 250 --workspace ${made.workspaceId} --live`)
  expect(topped.stdout).toContain('$7.50')
  expect(await (await usage(made.keys.live)).json()).toMatchObject({ balanceCents: 750 })
  expect(await (await usage(made.keys.test)).json()).toMatchObject({ balanceCents: 500 })

  const imported = await saperly(
    `numbers import +14155550100 --workspace ${made.workspaceId} --live`,
  )
  expect(imported.stdout).toMatch(/^num_/)
  const numbers = await saperly('call +14155550199', { SAPERLY_API_KEY: made.keys.live })
  expect(numbers.stderr, 'the imported number is the one to call from').toContain(
    'NumberHasNoConnection',
  )
  expect((await saperly('numbers import +14155550100 --live')).stderr).toContain('in use')
  expect((await saperly('topup 5 --workspace ws_none')).stderr).toContain('no workspace ws_none')
  expect((await saperly('workspaces list')).stdout).toMatch(/Acme +\$5\.00 +\$7\.50/)
  expect(await saperly('ledger verify')).toMatchObject({ code: 0, stderr: '' })
  expect(await saperly('audit verify')).toMatchObject({ code: 0, stderr: '' })
})

test('a do-not-call file is imported whole, or not at all', async () => {
  const good = join(directory, 'list.csv')
  await writeFile(good, 'number,since\n+15555550181,2026\n+15555550182,2026\n+15555550181,2026\n')
  expect((await saperly(`opt-outs import ${good}`)).stdout).toContain('2 opted out now, 0 had')
  expect((await saperly(`opt-outs import ${good}`)).stdout).toContain('0 opted out now, 2 had')
  const refused = await saperly('call +15555550181 --consent test')
  expect(refused.stderr).toContain('RecipientOptedOut')
  const bad = join(directory, 'bad.txt')
  await writeFile(bad, '+15555550183\n5555550184\nnobody\n')
  const failed = await saperly(`opt-outs import ${bad}`)
  expect(failed).toMatchObject({ code: 1, stdout: '' })
  expect(failed.stderr).toMatch(/nothing was imported:\n {2}line 2: [^\n]+\n {2}line 3: /)
  expect(failed.stderr).not.toContain('5555550184')
  expect((await saperly(`opt-outs import ${good} --workspace ws_none`)).code).toBe(1)
  expect(await saperly('audit verify')).toMatchObject({ code: 0, stderr: '' })
})

test('a person is erased while the server runs, and an opt-out goes on blocking', async () => {
  // This phone answers and hangs up after three seconds.
  const followed = await saperly('call +15555550107 --consent test --follow')
  expect(followed.code).toBe(0)
  const list = join(directory, 'one.txt')
  await writeFile(list, '+15555550107')
  expect((await saperly(`opt-outs import ${list}`)).code).toBe(0)
  expect((await saperly('erase 5550107')).stderr).toContain('E.164')
  expect((await saperly('erase +15555550107 --workspace ws_none')).stderr).toContain('ws_none')
  const erased = JSON.parse((await saperly('erase +15555550107 --json')).stdout)
  expect(erased.test.calls).toBeGreaterThan(0)
  expect(erased.live.calls).toBe(0)
  const authorization = `Bearer ${world.token}`
  const calls = await fetch(`${world.url}/calls`, { headers: { authorization } })
  const text = await calls.text()
  expect(text).not.toContain('+15555550107')
  expect(text).toContain('"to":"erased"')
  const refused = await saperly('call +15555550107 --consent test')
  expect(refused.stderr).toContain('RecipientOptedOut')
  expect(await saperly('audit verify')).toMatchObject({ code: 0, stderr: '' })
  expect(await saperly('ledger verify')).toMatchObject({ code: 0, stderr: '' })
}, 30_000)

test('the audit trail is exported, and the file proves itself', async () => {
  const path = join(directory, 'trail.ndjson')
  expect(await saperly(`audit export --out ${path}`)).toMatchObject({ code: 0, stderr: '' })
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await saperly(`audit verify ${path}`)).stdout).toBe('the export is whole\n')
  expect((await saperly(`audit export --out ${path}`)).stderr).toContain('is there already')
  const text = await readFile(path, 'utf8')
  expect((await saperly('audit export')).stdout.split('\n')[0]).toBe(text.split('\n')[0])
  await writeFile(path, text.replace('"actor":"', '"actor":"no '))
  const changed = await saperly(`audit verify ${path}`)
  expect([changed.code, changed.stderr]).toEqual([1, expect.stringMatching(/was changed/)])
  expect((await saperly(`audit verify ${join(directory, 'none')}`)).stderr).toContain('can')
  expect((await saperly('audit export --workspace ws_none')).stderr).toContain('ws_none')
  const keyless = { DATA_DIR: join(directory, 'nothing') }
  expect((await saperly(`audit verify ${path}`, keyless)).stderr).toContain('secret key is missing')
})

test('a backup of a running server is restored into an empty place, and proved', async () => {
  const path = join(directory, 'all.backup')
  const written = await saperly(`backup ${path}`)
  expect(written).toMatchObject({ code: 0, stderr: '' })
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await saperly(`backup ${path}`)).stderr).toContain('is there already')
  // Into the server's own place it does not go.
  expect((await saperly(`restore ${path}`)).stderr).toContain('a database already')

  const place = { DATA_DIR: join(directory, 'restored') }
  expect((await saperly(`restore ${path}`, place)).stderr).toContain('secret key is missing')
  const other = { ...place, SAPERLY_SECRET_KEY: 'ab'.repeat(32) }
  expect((await saperly(`restore ${path}`, other)).stderr).toContain('not the one')
  await mkdir(place.DATA_DIR, { recursive: true })
  await copyFile(join(world.dataDir, 'secret.key'), join(place.DATA_DIR, 'secret.key'))
  const cut = join(directory, 'cut.backup')
  await writeFile(cut, (await readFile(path)).subarray(0, -40))
  expect((await saperly(`restore ${cut}`, place)).stderr).toMatch(/can't be read|no whole backup/)
  const restored = await saperly(`restore ${path}`, place)
  expect(restored).toMatchObject({ code: 0, stderr: '' })
  expect(restored.stdout).toMatch(/rows as of 20.*\nthe ledger adds up\nthe audit trail is whole/)
  const both = [await saperly('workspaces list'), await saperly('workspaces list', place)]
  expect(both[1]!.stdout).toBe(both[0]!.stdout)
}, 60_000)

test('the doctor finds a running server well, and says what is wrong elsewhere', async () => {
  const well = JSON.parse((await saperly('doctor --json')).stdout) as {
    state: string
    what: string
  }[]
  expect(well.filter(({ state }) => state === 'fail')).toEqual([])
  expect(well.map(({ what }) => what)).toEqual(expect.arrayContaining(['media', 'database']))
  const ill = await saperly('doctor', { PORT: 'eighty' })
  expect([ill.code, ill.stdout]).toEqual([1, expect.stringContaining('PORT')])
  const alone = await saperly('doctor', {
    NATS_URL: 'nats://user:secret@127.0.0.1:1',
    DATABASE_URL: 'postgresql://user:secret@127.0.0.1:1/none',
    SAPERLY_SECRET_KEY: '5a'.repeat(32),
  })
  expect([alone.code, alone.stdout]).toEqual([1, expect.stringContaining('NATS_URL')])
  expect(alone.stdout).not.toContain('secret')
})

test('a server that is not there, and one that can not start, are explained', async () => {
  const away = await saperly('keys list', {
    SAPERLY_URL: 'http://127.0.0.1:1',
    SAPERLY_API_KEY: 'k',
  })
  expect([away.code, away.stderr]).toEqual([1, expect.stringContaining('saperly start')])
  const port = new URL(world.url).port
  const taken = await saperly('start', { PORT: port })
  expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining('already')])
})

test('start prints the commands for a first call, and ends in order', async () => {
  const stop = new AbortController()
  const dataDir = join(directory, 'data')
  // The stop waits until the server has taken its first breath: it is asked for at the first line of its greeting.
  const started = await new Promise<{ code: number; text: string }>((resolve, reject) => {
    let text = ''
    runProgram(['start'], {
      stdout: (line) => {
        text += line
        if (text.includes('npm run saperly')) stop.abort()
      },
      stderr: (line) => (text += line),
      environment: {
        PORT: '0',
        DATA_DIR: dataDir,
        SPEECH_ENGINE: 'tone',
        RTP_WORKERS: '1',
        LOG_LEVEL: 'silent',
      },
      directory,
      colour: false,
      signal: stop.signal,
      hurry: new AbortController().signal,
    }).then((code) => resolve({ code, text }), reject)
  })
  expect(started.code).toBe(0)
  expect(started.text).toMatch(/is ready at http:\/\/127\.0\.0\.1:\d+/)
  expect(started.text).toContain('sk_test_')
  expect((await stat(join(dataDir, 'test-key'))).mode & 0o777).toBe(0o600)
})
