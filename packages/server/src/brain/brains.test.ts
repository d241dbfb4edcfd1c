// Which brain answers for which connection.
import { connectionDefaults, type Connection } from '@saperly/contract'
import { Fault, seededRandom, silentLog } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SecretBox, sealedFor } from '../secrets/box.ts'
import type { ConnectionRow, Tables } from '../store/port.ts'
import { ConnectionBrains } from './brains.ts'
import { collect, ManualHouse, never, turn } from './testing.ts'
import { type BrainCall, BrainLost } from './port.ts'

let house: ManualHouse
let box: SecretBox
let row: ConnectionRow
let numberWebhookUrl: string | null
let brains: ConnectionBrains
let away: boolean

beforeEach(async () => {
  house = await ManualHouse.open()
  const random = seededRandom(3)
  box = new SecretBox(random.bytes(32), random)
  row = house.row
  row.manualSecret = box.seal(house.secret, sealedFor.manual(row.id))
  numberWebhookUrl = null
  away = false
  const find = async (): Promise<ConnectionRow | null> => {
    if (away) throw new Fault('the database is away', { retryable: true })
    return row
  }
  const tables = {
    connections: { get: find },
    numbers: { get: async () => ({ webhookUrl: numberWebhookUrl }) },
  } as unknown as Pick<Tables, 'connections' | 'numbers'>
  brains = new ConnectionBrains({
    ...house.deps,
    tables,
    desks: house.desks,
    box,
    models: { house: { baseUrl: 'http://127.0.0.1:1/v1', model: 'tiny', apiKey: null } },
    log: silentLog,
  })
})

afterEach(() => house.close())

function call(environment: 'test' | 'live' = 'live'): BrainCall {
  return {
    callId: 'call_1',
    tenant: { workspaceId: 'ws_1', environment },
    connectionId: row.id,
    numberId: 'num_1',
    direction: 'inbound',
    from: '+15555550123',
    to: '+15555550199',
    instructions: null,
    onDirective: () => undefined,
  }
}

function hosted(llm: Connection['llm'], llmApiKey: string | null = null): void {
  row.mode = 'hosted'
  row.settings = { ...connectionDefaults, name: 'agent', llm }
  row.llmApiKey = llmApiKey
}

const available = (environment: 'test' | 'live' = 'live'): Promise<boolean> =>
  brains.available(call(environment).tenant, row.id, numberWebhookUrl)

const kindOf = async (environment: 'test' | 'live' = 'live'): Promise<string> => {
  const brain = await brains.attach(call(environment))
  const { kind } = brain
  await brain.close()
  return kind
}

const answer = async (): Promise<unknown> => {
  const brain = await brains.attach(call())
  return collect(brain.ask(turn('req_1'), never)).catch((error: unknown) => error)
}

describe('a manual connection', () => {
  test('is answered on its socket when there is one', async () => {
    row.settings.manualWebhookUrl = 'http://127.0.0.1:1/'
    await house.connect()
    expect([await available(), await kindOf()]).toEqual([true, 'manual_socket'])
  })

  test('else by its webhook, else by that of the number', async () => {
    row.settings.manualWebhookUrl = 'http://127.0.0.1:1/'
    expect([await available(), await kindOf()]).toEqual([true, 'manual_webhook'])
    row.settings.manualWebhookUrl = null
    numberWebhookUrl = 'http://127.0.0.1:1/'
    expect([await available(), await kindOf()]).toEqual([true, 'manual_webhook'])
  })

  test('else by the demo in test, and in live by nobody', async () => {
    expect([await available('test'), await kindOf('test')]).toEqual([true, 'demo'])
    expect(await available()).toBe(false)
    expect(await answer()).toBeInstanceOf(BrainLost)
  })
})

describe('a hosted connection', () => {
  test('is answered by a model of the operator, or by one that it brings', async () => {
    hosted({ kind: 'managed', model: 'house' })
    expect([await available(), await kindOf()]).toEqual([true, 'hosted'])
    const own = { kind: 'openai_compatible', baseUrl: 'https://llm.test/v1', model: 'm' } as const
    hosted(own, box.seal('key', sealedFor.llm(row.id)))
    expect([await available(), await kindOf()]).toEqual([true, 'hosted'])
  })

  test('without a model, or with one that is not there, has no brain in live', async () => {
    for (const llm of [null, { kind: 'managed', model: 'toString' }] as const) {
      hosted(llm)
      expect([await available(), await available('test')]).toEqual([false, true])
      expect(await kindOf('test')).toBe('demo')
    }
  })
})

describe('attaching', () => {
  test('succeeds and is lost when the connection is gone', async () => {
    row.deletedAt = 1
    expect(await available('test')).toBe(false)
    expect(await answer()).toBeInstanceOf(BrainLost)
  })

  test('succeeds and is lost when the store is away, or a secret does not open', async () => {
    hosted({ kind: 'openai_compatible', baseUrl: 'https://llm.test', model: 'm' }, 'broken')
    expect(await answer()).toBeInstanceOf(BrainLost)
    away = true
    expect(await answer()).toBeInstanceOf(BrainLost)
  })
})
