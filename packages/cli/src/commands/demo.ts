// `saperly demo`: a whole call to a phone of the sandbox, heard from both sides, and its bill.
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Call, type Saperly, Saperly as Client, type Transaction } from '@saperly/sdk'
import { readConfig, startServer } from '@saperly/server'
import { answers, clientOf, numberToUse, urlOf } from '../client.ts'
import { type Command, type Surroundings, wholeNumber } from '../command.ts'
import { ConversationPrinter } from '../conversation.ts'
import { dollars, type Terminal } from '../terminal.ts'
import { FIRST_PEER } from './start.ts'

const DEFAULT_TURNS = '4'
/** How long it takes to say a text, generously. */
const LEAST_MS = 500
const MS_PER_CHARACTER = 75
/** The recording is there a moment after the end of the call. */
const RECORDING_TRIES = 50
const RECORDING_PAUSE_MS = 100

export const demo: Command = {
  words: 'demo',
  says: 'Place a call to a phone of the sandbox, print what both sides say, and the bill.',
  options: {
    to: { value: '<number>', says: `the phone to call (default: ${FIRST_PEER})` },
    turns: {
      value: '<count>',
      says: `hang up after so many turns of the caller (default: ${DEFAULT_TURNS})`,
    },
    out: { value: '<file>', says: 'where the recording goes (default: a temporary file)' },
  },
  async run(given, around) {
    const { terminal, signal } = around
    const turns = wholeNumber(given.option('turns') ?? DEFAULT_TURNS, '--turns', 1)
    const server = await serverFor(around)
    try {
      const { saperly } = server
      const call = await placed(saperly, given.option('to') ?? FIRST_PEER, signal)
      await converse(saperly, call, turns, terminal, signal)
      await bill(saperly, call.id, terminal)
      const path = resolve(
        around.directory,
        given.option('out') ?? join(tmpdir(), `${call.id}.wav`),
      )
      await recording(saperly, call.id, path, terminal)
    } finally {
      await server.close()
    }
  },
}

/** The running server, or one of our own in a folder that is gone afterwards. */
async function serverFor(
  around: Surroundings,
): Promise<{ saperly: Saperly; close: () => Promise<void> }> {
  const { terminal, environment, directory, signal } = around
  const url = urlOf(around, readConfig(environment, directory))
  if (await answers(url, signal)) {
    terminal.line(`Using the server at ${url}.`)
    return { saperly: clientOf(around).saperly, close: () => Promise.resolve() }
  }
  terminal.line(`No server at ${url}: starting one for this demo.`)
  const dataDir = await mkdtemp(join(tmpdir(), 'saperly-demo-'))
  const { PUBLIC_URL: _, DATABASE_URL: __, ...rest } = environment
  const level = environment['LOG_LEVEL'] ?? 'error'
  const own = { ...rest, DATA_DIR: dataDir, HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: level }
  const removed = (): Promise<void> => rm(dataDir, { recursive: true, force: true })
  const server = await startServer(readConfig(own, directory)).catch(async (error: unknown) => {
    await removed()
    throw error
  })
  return {
    saperly: new Client({ apiKey: server.first.token, baseUrl: server.url }),
    close: async () => {
      await server.close()
      await removed()
    },
  }
}

async function placed(saperly: Saperly, to: string, signal: AbortSignal): Promise<Call> {
  const { id } = await numberToUse(saperly)
  await saperly.consent.record({
    numberId: id,
    peerNumber: to,
    consentType: 'explicit_outbound',
    source: 'saperly demo',
  })
  return saperly.calls.place({ fromNumberId: id, to }, { signal })
}

/** Prints the call to its end: the peer's, or ours once the last turn has been answered. */
async function converse(
  saperly: Saperly,
  { id }: Call,
  turns: number,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  terminal.line()
  const printer = new ConversationPrinter(terminal)
  let heard = 0
  try {
    for await (const event of saperly.calls.events(id, { live: true, signal })) {
      printer.print(event)
      if (event.type === 'turn') heard++
      const answered = event.type === 'speak' && event.data.latencyMs !== null
      if (heard >= turns && answered) void endAfter(event.data.text, saperly, id)
    }
  } finally {
    // Also when the demo is broken off: nothing is left that costs money.
    await saperly.calls.end(id)
  }
}

/** Hangs up once the last sentence has been said. */
async function endAfter(text: string, saperly: Saperly, callId: string): Promise<void> {
  await new Promise((done) => setTimeout(done, LEAST_MS + text.length * MS_PER_CHARACTER))
  // Somebody else may have ended it, and the server may be gone with it: either way it is over.
  await saperly.calls.end(callId).catch(() => undefined)
}

async function bill(saperly: Saperly, callId: string, terminal: Terminal): Promise<void> {
  const lines: Transaction[] = []
  for await (const entry of saperly.transactions.list()) {
    if (entry.callId === callId) lines.unshift(entry)
  }
  const call = await saperly.calls.get(callId)
  const { balanceCents, calls } = await saperly.usage.get()
  terminal.line()
  terminal.table(
    ['bill', 'amount', 'available'],
    lines.map(({ type, amountCents, balanceAfterCents }) => [
      type,
      dollars(amountCents),
      dollars(balanceAfterCents),
    ]),
  )
  terminal.line(
    `${call.durationSec ?? 0} s at ${call.rateCentsPerMin} cents a minute: ${call.costCents ?? 0} cents. ` +
      `${calls.count} calls so far, ${dollars(balanceCents)} left.`,
  )
}

async function recording(
  saperly: Saperly,
  callId: string,
  path: string,
  terminal: Terminal,
): Promise<void> {
  for (let tries = 0; tries < RECORDING_TRIES; tries++) {
    const { hasRecording } = await saperly.calls.get(callId)
    if (hasRecording) {
      const { body } = await saperly.calls.recording(callId)
      if (body === null) return
      await pipeline(Readable.fromWeb(body as never), createWriteStream(path))
      terminal.line(`Recording (left: the phone, right: the agent): ${path}`)
      return
    }
    await new Promise((done) => setTimeout(done, RECORDING_PAUSE_MS))
  }
  terminal.line('There is no recording of this call.')
}
