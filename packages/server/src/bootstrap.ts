// What a fresh installation begins with: a workspace, a key of its own, and a demo number that answers at once.
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connectionDefaults, scopes } from '@saperly/contract'
import { type Clock, Fault, type Ids, type Random } from '@saperly/kernel'
import type { Environment } from '@saperly/network'
import { audit } from './consent/trail.ts'
import { sealedFor, type SecretBox } from './secrets/box.ts'
import { hashToken, mintToken, shownPrefix } from './secrets/tokens.ts'
import type { KeyRow, Store, Tables, Tenant } from './store/port.ts'

/** The workspace that keys from the environment belong to. */
export const DEFAULT_WORKSPACE = 'ws_default'
/** Beside the sandbox's own phones (+1555555 01xx), and taken by nobody. */
export const DEMO_NUMBER = '+15555551000'
/** Where the first test key is kept, so that the command finds it; readable by its owner alone. */
export const KEY_FILE = 'test-key'

/** SQLSTATE: the row is there already. */
const UNIQUE = '23505'

export interface BootstrapDeps {
  store: Store
  box: SecretBox
  clock: Clock
  ids: Ids
  random: Random
  dataDir: string
}

export interface FirstKey {
  /** The test key of the default workspace. */
  token: string
  demoNumberId: string
}

/** Other processes that may be making the same at the same time. */
const MAX_RIVALS = 8

/**
 * Makes sure that the default workspace is whole. Idempotent; every part is looked at for itself, and again where another
 * process was faster: what that made is found the next time.
 */
export async function bootstrap(deps: BootstrapDeps, rootKey: string | null): Promise<FirstKey> {
  for (let rivals = 0; ; rivals++) {
    try {
      return await makeWhole(deps, rootKey)
    } catch (error) {
      const { cause } = error as Error
      const wasFirst = error instanceof Fault && (cause as { code?: string })?.code === UNIQUE
      if (!wasFirst || rivals === MAX_RIVALS) throw error
    }
  }
}

async function makeWhole(deps: BootstrapDeps, rootKey: string | null): Promise<FirstKey> {
  const { store, clock } = deps
  if (!(await store.tables.workspaces.get(DEFAULT_WORKSPACE))) {
    await store.transaction((tables) =>
      tables.workspaces.create({ id: DEFAULT_WORKSPACE, name: 'Saperly', createdAt: clock.now() }),
    )
  }
  if (rootKey !== null) await ensureKey(deps, rootKey, 'root')
  const token = await firstToken(deps)
  await ensureKey(deps, token, 'first')
  return { token, demoNumberId: await demoNumber(deps) }
}

async function firstToken({ dataDir, random }: BootstrapDeps): Promise<string> {
  const path = join(dataDir, KEY_FILE)
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const token = mintToken('sk_test', random)
  await writeFile(path, `${token}\n`, { mode: 0o600 })
  await chmod(path, 0o600)
  return token
}

/** A key with every scope in the default workspace; its environment is read from its own prefix. */
async function ensureKey(deps: BootstrapDeps, token: string, name: string): Promise<void> {
  const hash = hashToken(token)
  if (await deps.store.tables.keys.findByHash(hash)) return
  const environment = token.startsWith('sk_live_') ? 'live' : 'test'
  const tenant: Tenant = { workspaceId: DEFAULT_WORKSPACE, environment }
  // Made of the token, so that of several processes that begin at once only one can make it.
  const id = `key_${hash.slice(0, 24)}`
  await deps.store.transaction((tables) => insertKey(deps, tables, tenant, token, name, id))
}

/** Inserts a key with every scope, as only the operator of the platform can. */
export async function insertKey(
  deps: Pick<BootstrapDeps, 'ids' | 'clock'>,
  tables: Tables,
  tenant: Tenant,
  token: string,
  name: string,
  id: string = deps.ids.next('key'),
): Promise<KeyRow> {
  const row: KeyRow = {
    ...tenant,
    id,
    name,
    prefix: shownPrefix(token),
    hash: hashToken(token),
    scopes,
    numberScope: null,
    spendLimitCents: null,
    spendLimitResetPeriod: null,
    mintedByTokenId: null,
    expiresAt: null,
    lastUsedAt: null,
    createdAt: deps.clock.now(),
    revokedAt: null,
  }
  await tables.keys.insert(row)
  await audit(tables, deps.ids, {
    tenant,
    eventType: 'key.minted',
    targetType: 'key',
    targetId: row.id,
    actor: 'platform',
    data: { name, scopes: row.scopes },
    at: row.createdAt,
  })
  return row
}

/** A new workspace with a key for each environment: what `saperly workspaces create` prints, once. */
export async function createWorkspace(
  deps: Pick<BootstrapDeps, 'store' | 'clock' | 'ids' | 'random'>,
  name: string,
): Promise<{ workspaceId: string; keys: Record<Environment, string> }> {
  const { store, clock, ids, random } = deps
  const workspaceId = ids.next('ws')
  const keys = { test: mintToken('sk_test', random), live: mintToken('sk_live', random) }
  await store.transaction(async (tables) => {
    await tables.workspaces.create({ id: workspaceId, name, createdAt: clock.now() })
    for (const environment of ['test', 'live'] as const) {
      await insertKey(deps, tables, { workspaceId, environment }, keys[environment], 'first')
    }
  })
  return { workspaceId, keys }
}

async function demoNumber(deps: BootstrapDeps): Promise<string> {
  const { store, box, ids, clock, random } = deps
  const tenant: Tenant = { workspaceId: DEFAULT_WORKSPACE, environment: 'test' }
  const there = await store.tables.numbers.findActive('test', DEMO_NUMBER)
  if (there) return there.id
  const numberId = ids.next('num')
  const connectionId = ids.next('conn')
  const secret = mintToken('mc', random)
  const createdAt = clock.now()
  await store.transaction(async (tables) => {
    await tables.connections.insert({
      ...tenant,
      id: connectionId,
      mode: 'manual',
      settings: {
        ...connectionDefaults,
        mode: 'manual',
        name: 'Demo',
        recordingEnabled: true,
        callControl: { ...connectionDefaults.callControl },
      },
      llmApiKey: null,
      mcpTokens: {},
      manualSecretHash: hashToken(secret),
      manualSecret: box.seal(secret, sealedFor.manual(connectionId)),
      previousManualSecretHash: null,
      previousManualSecret: null,
      previousSecretUntil: null,
      createdAt,
      deletedAt: null,
    })
    const inserted = await tables.numbers.insert({
      ...tenant,
      id: numberId,
      phoneNumber: DEMO_NUMBER,
      connectionId,
      webhookUrl: null,
      smsSenderId: null,
      callerIdName: 'Saperly',
      country: 'US',
      numberType: 'local',
      monthlyPriceCents: 0,
      nextChargeAt: null,
      releasedAt: null,
      createdAt,
    })
    if (!inserted)
      throw new Fault('the demo number is taken', { cause: { code: UNIQUE }, retryable: false })
  })
  return numberId
}
