// Rows for the store's tests: a tenant with a number and a connection, and whatever a test wants to be different.
import type { CallRow, ConsentRow, KeyRow, Tenant } from './port.ts'

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

export function callRow(patch: Partial<CallRow> = {}): CallRow {
  return {
    ...TENANT,
    id: 'call_a',
    numberId: 'num_a',
    keyId: null,
    connectionId: 'conn_a',
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
