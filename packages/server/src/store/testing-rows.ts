// Rows for the store's tests: a tenant with a number and a connection, and whatever a test wants to be different.
import { connectionDefaults } from '@saperly/contract'
import type {
  CallRow,
  ConnectionRow,
  ConsentRow,
  DeliveryRow,
  KeyRow,
  NumberRow,
  Store,
  Tenant,
  WebhookRow,
} from './port.ts'

/** The instant at which the tests' world begins. */
export const NOW = Date.UTC(2026, 0, 15, 12)

export const TENANT: Tenant = { workspaceId: 'ws_a', environment: 'test' }

export function keyRow(patch: Partial<KeyRow> = {}): KeyRow {
  return {
    ...TENANT,
    id: 'key_a',
    name: 'a key',
    prefix: 'sk_test_abcd',
    hash: 'ab'.repeat(32),
    scopes: ['calls:create', 'calls:read'],
    numberScope: null,
    spendLimitCents: null,
    spendLimitResetPeriod: null,
    mintedByTokenId: null,
    expiresAt: null,
    lastUsedAt: null,
    createdAt: NOW,
    revokedAt: null,
    ...patch,
  }
}

export function connectionRow(patch: Partial<ConnectionRow> = {}): ConnectionRow {
  return {
    ...TENANT,
    id: 'conn_a',
    mode: 'manual',
    settings: { ...connectionDefaults, mode: 'manual', name: 'reception' },
    llmApiKey: null,
    mcpTokens: {},
    manualSecretHash: 'cd'.repeat(32),
    manualSecret: 'sealed',
    previousManualSecretHash: null,
    previousManualSecret: null,
    previousSecretUntil: null,
    createdAt: NOW,
    deletedAt: null,
    ...patch,
  }
}

export function numberRow(patch: Partial<NumberRow> = {}): NumberRow {
  return {
    ...TENANT,
    id: 'num_a',
    phoneNumber: '+15555550199',
    connectionId: 'conn_a',
    webhookUrl: null,
    smsSenderId: null,
    callerIdName: null,
    country: 'US',
    numberType: 'local',
    monthlyPriceCents: 0,
    nextChargeAt: null,
    releasedAt: null,
    createdAt: NOW,
    ...patch,
  }
}

export function webhookRow(patch: Partial<WebhookRow> = {}): WebhookRow {
  return {
    ...TENANT,
    id: 'whk_a',
    url: 'https://example.com/hook',
    events: ['call.completed', 'call.failed'],
    description: null,
    enabled: true,
    secret: 'sealed',
    previousSecret: null,
    previousSecretUntil: null,
    createdAt: NOW,
    deletedAt: null,
    ...patch,
  }
}

export function deliveryRow(patch: Partial<DeliveryRow> = {}): DeliveryRow {
  return {
    ...TENANT,
    id: 'dlv_a',
    webhookId: 'whk_a',
    eventType: 'call.completed',
    body: '{}',
    status: 'pending',
    attempts: 0,
    responseStatus: null,
    lastAttemptAt: null,
    nextAttemptAt: NOW,
    createdAt: NOW,
    ...patch,
  }
}

/** The same rows, of another tenant: same workspace and other environment, or another workspace altogether. */
export const STRANGERS: readonly Tenant[] = [
  { workspaceId: 'ws_a', environment: 'live' },
  { workspaceId: 'ws_b', environment: 'test' },
]

/** Two workspaces, and in the first one's test environment a key, a connection and a number. */
export async function furnish({ tables }: Store): Promise<void> {
  await tables.workspaces.create({ id: 'ws_a', name: 'A', createdAt: NOW })
  await tables.workspaces.create({ id: 'ws_b', name: 'B', createdAt: NOW })
  await tables.keys.insert(keyRow())
  await tables.connections.insert(connectionRow())
  await tables.numbers.insert(numberRow())
}

export function callRow(patch: Partial<CallRow> = {}): CallRow {
  return {
    ...TENANT,
    id: 'call_a',
    numberId: 'num_a',
    keyId: null,
    connectionId: 'conn_a',
    processId: 'proc_a',
    direction: 'outbound',
    from: '+15555550100',
    to: '+15555550123',
    state: 'queued',
    status: 'initiated',
    recognizer: 'phrases',
    rateCentsPerMin: 13,
    durationSec: null,
    costCents: null,
    hangupCause: null,
    sipCode: null,
    q850Cause: null,
    recordingPath: null,
    hasTranscript: false,
    instructions: null,
    metadata: {},
    ringTimeoutSec: 45,
    maxDurationSec: 900,
    dialog: null,
    bridge: null,
    heartbeatAt: NOW,
    createdAt: NOW,
    answeredAt: null,
    endedAt: null,
    ...patch,
  }
}

export function consentRow(patch: Partial<ConsentRow> = {}): ConsentRow {
  return {
    ...TENANT,
    id: 'con_a',
    numberId: 'num_a',
    peerNumber: '+15555550123',
    consentType: 'explicit_outbound',
    source: 'form',
    grantedAt: NOW,
    revokedAt: null,
    expiresAt: null,
    ...patch,
  }
}
