// The routes of connections: what is asked for is checked against what the platform has; secrets go in sealed.
import {
  failure,
  validationError,
  type ConnectionWithSecret,
  type FailureOf,
} from '@saperly/contract'
import { fail, ok, type Result } from '@saperly/kernel'
import { audit } from '../consent/trail.ts'
import { sealedFor } from '../secrets/box.ts'
import { hashToken, mintToken } from '../secrets/tokens.ts'
import type { ConnectionRow, Tables, Tenant } from '../store/port.ts'
import { seeConnection } from './access.ts'
import { applySettings, type ConnectionChange, type Settings } from './connection-settings.ts'
import type { HandlersFor, KeyedContext } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { pageOf } from './page.ts'
import { connectionWire } from './wire.ts'

type ConnectionRoutes =
  | 'listConnections'
  | 'getConnection'
  | 'createConnection'
  | 'updateConnection'
  | 'deleteConnection'
  | 'rotateConnectionSecret'

/** A secret that was replaced is good for this long. */
export const OLD_SECRET_LIFE_MS = 24 * 60 * 60 * 1000

type Unsupported = FailureOf<'UnsupportedVoice' | 'UnsupportedModel' | 'ValidationError'>
type Changed = Result<ConnectionWithSecret, Unsupported | FailureOf<'ConnectionNotFound'>>

export function connectionHandlers(deps: ApiDeps): HandlersFor<ConnectionRoutes> {
  const { store, clock, ids } = deps
  const { tables } = store

  const shown = (row: ConnectionRow) =>
    connectionWire(row, deps.recognizerOf(row.settings.stt.engine))
  const withSecret = ({ row, manualSecret }: Minted): ConnectionWithSecret =>
    manualSecret === null ? shown(row) : { ...shown(row), manualSecret }

  const record = (
    within: Tables,
    { tenant, actor }: KeyedContext,
    eventType: string,
    targetId: string,
    data: Record<string, unknown> = {},
  ) =>
    audit(within, ids, {
      tenant,
      eventType,
      targetType: 'connection',
      targetId,
      actor,
      data,
      at: clock.now(),
    })

  /** Reads, changes and writes one connection in one transaction. */
  const change = async (
    context: KeyedContext,
    id: string,
    eventType: string,
    next: (row: ConnectionRow) => Result<Minted, Unsupported>,
  ): Promise<Changed> => {
    const changed = await store.transaction(async (within) => {
      const standing = await seeConnection(within, context, id)
      if (!standing.ok) return standing
      const made = next(standing.value)
      if (!made.ok) return made
      await within.connections.update(made.value.row)
      await record(within, context, eventType, id, { mode: made.value.row.mode })
      return made
    })
    if (!changed.ok) return changed
    if (changed.value.row.mode !== 'manual') deps.manualEnded(id)
    deps.afterCommit()
    return ok(withSecret(changed.value))
  }

  return {
    listConnections: async ({ query, context }) =>
      ok(await pageOf(query, (page) => tables.connections.list(context.tenant, page), shown)),

    getConnection: async ({ params, context }) => {
      const connection = await seeConnection(tables, context, params.id)
      return connection.ok ? ok(shown(connection.value)) : connection
    },

    createConnection: async ({ body, context }) => {
      const made = build(deps, newRow(deps, context.tenant), body, null)
      if (!made.ok) return made
      const { row } = made.value
      await store.transaction(async (within) => {
        await within.connections.insert(row)
        await record(within, context, 'connection.created', row.id, { mode: row.mode })
      })
      deps.afterCommit()
      return ok(withSecret(made.value))
    },

    updateConnection: ({ params, body, context }) =>
      change(context, params.id, 'connection.changed', (row) =>
        build(deps, row, body, row.settings),
      ),

    deleteConnection: async ({ params, context }) => {
      const deleted = await store.transaction(async (within) => {
        const connection = await seeConnection(within, context, params.id)
        if (!connection.ok) return connection
        await within.connections.update({ ...connection.value, deletedAt: clock.now() })
        await unbind(within, context.tenant, params.id)
        await record(within, context, 'connection.deleted', params.id)
        return ok({ status: 'deleted' as const })
      })
      if (!deleted.ok) return deleted
      deps.manualEnded(params.id)
      deps.afterCommit()
      return deleted
    },

    rotateConnectionSecret: async ({ params, context }) => {
      const rotated = await change(context, params.id, 'connection.secret_rotated', (row) => {
        if (row.mode === 'manual') return ok(mintSecret(deps, row))
        const message = 'must be manual: a hosted connection has no secret'
        return fail(validationError([{ path: 'mode', message }]))
      })
      // Rotating asks for no voice and no model.
      return rotated as Result<
        ConnectionWithSecret,
        FailureOf<'ConnectionNotFound' | 'ValidationError'>
      >
    },
  }
}

/** A row, and the secret in clear where this change minted one. */
interface Minted {
  row: ConnectionRow
  manualSecret: string | null
}

function newRow(deps: ApiDeps, tenant: Tenant): ConnectionRow {
  return {
    ...tenant,
    id: deps.ids.next('conn'),
    mode: 'hosted',
    settings: applySettings(null, {}),
    llmApiKey: null,
    mcpTokens: {},
    ...NO_SECRET,
    createdAt: deps.clock.now(),
    deletedAt: null,
  }
}

const NO_SECRET = {
  manualSecretHash: null,
  manualSecret: null,
  previousManualSecretHash: null,
  previousManualSecret: null,
  previousSecretUntil: null,
}

/** The row after a change: settings checked, secrets sealed, a manual secret minted or dropped with the mode. */
function build(
  deps: ApiDeps,
  row: ConnectionRow,
  sent: ConnectionChange,
  standing: Settings | null,
): Result<Minted, Unsupported> {
  const settings = applySettings(standing, sent)
  const problem = unsupported(deps, settings)
  if (problem) return fail(problem)
  const next: ConnectionRow = {
    ...row,
    mode: settings.mode,
    settings,
    llmApiKey: llmKey(deps, row, sent),
    mcpTokens: mcpTokens(deps, row, sent),
  }
  if (settings.mode === 'hosted') return ok({ row: { ...next, ...NO_SECRET }, manualSecret: null })
  return ok(next.manualSecret === null ? mintSecret(deps, next) : { row: next, manualSecret: null })
}

/** A new manual secret; the one before it, if any, stays good for a day. */
function mintSecret({ random, secrets, clock }: ApiDeps, row: ConnectionRow): Minted {
  const manualSecret = mintToken('mc', random)
  const hadOne = row.manualSecret !== null
  return {
    manualSecret,
    row: {
      ...row,
      manualSecretHash: hashToken(manualSecret),
      manualSecret: secrets.seal(manualSecret, sealedFor.manual(row.id)),
      previousManualSecretHash: row.manualSecretHash,
      previousManualSecret: row.manualSecret,
      previousSecretUntil: hadOne ? clock.now() + OLD_SECRET_LIFE_MS : null,
    },
  }
}

function unsupported({ voices, config }: ApiDeps, settings: Settings): Unsupported | null {
  const { tts, llm, stt } = settings
  if (tts && !voices().some(({ id }) => id === tts.voiceId))
    return failure('UnsupportedVoice', {
      field: 'tts.voiceId',
      voice: tts.voiceId,
      message: 'the speech engine in use has no such voice; GET /voices lists those it has',
    })
  if (llm?.kind === 'managed' && !config.managedModels.includes(llm.model))
    return failure('UnsupportedModel', {
      field: 'llm.model',
      model: llm.model,
      message: 'the operator of this platform offers no such model',
    })
  if (stt.engine !== null && !config.speechEngines.includes(stt.engine))
    return validationError([
      { path: 'stt.engine', message: 'must be an engine that the operator configured' },
    ])
  return null
}

/** The sealed key of the model: as sent; else the one that stands, as long as it goes to the same address. */
function llmKey({ secrets }: ApiDeps, row: ConnectionRow, sent: ConnectionChange): string | null {
  const { llm } = sent
  if (llm === undefined) return row.llmApiKey
  if (llm?.kind !== 'openai_compatible') return null
  if (llm.apiKey) return secrets.seal(llm.apiKey, sealedFor.llm(row.id))
  const before = row.settings.llm
  const sameAddress = before?.kind === 'openai_compatible' && before.baseUrl === llm.baseUrl
  return sameAddress ? row.llmApiKey : null
}

/** The sealed tokens by URL: as sent; else those that stand for the same URL. */
function mcpTokens(
  { secrets }: ApiDeps,
  row: ConnectionRow,
  sent: ConnectionChange,
): Record<string, string> {
  if (sent.mcpServers === undefined) return row.mcpTokens
  const tokens: Record<string, string> = {}
  for (const { url, auth } of sent.mcpServers ?? []) {
    if (auth?.type !== 'bearer') continue
    const stood = Object.hasOwn(row.mcpTokens, url) ? row.mcpTokens[url] : undefined
    const token = auth.token ? secrets.seal(auth.token, sealedFor.mcp(row.id, url)) : stood
    if (token !== undefined) tokens[url] = token
  }
  return tokens
}

/** Numbers that were bound to a connection have none when it is gone. */
async function unbind(tables: Tables, tenant: Tenant, connectionId: string): Promise<void> {
  const batch = 1000
  for (let cursor: string | null = null; ;) {
    const rows = await tables.numbers.list(tenant, null, { limit: batch, cursor })
    for (const row of rows)
      if (row.connectionId === connectionId)
        await tables.numbers.update(tenant, row.id, { connectionId: null })
    if (rows.length < batch) return
    cursor = rows.at(-1)?.id ?? null
  }
}
