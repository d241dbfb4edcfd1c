// Consent, money, keys and the audit trail.
import { endpoint, json, page } from '../endpoint.ts'
import {
  AuditEvent,
  ConsentCheck,
  ConsentRecord,
  Key,
  KeyWithToken,
  OptOut,
  Transaction,
  Usage,
  mintKeyBody,
  recordConsentBody,
  recordOptOutBody,
  revokeConsentBody,
} from '../shapes/account.ts'
import { Receipt } from '../shapes/receipt.ts'
import {
  checkConsentQuery,
  listAuditQuery,
  listConsentQuery,
  listOptOutsQuery,
  listQuery,
  usageQuery,
} from '../shapes/query.ts'

export const listConsent = endpoint({
  name: 'listConsent',
  resource: 'Consent',
  method: 'GET',
  path: '/consent',
  summary: 'List consent records',
  scope: 'consent:read',
  query: listConsentQuery,
  success: page(ConsentRecord),
  errors: [],
})

export const checkConsent = endpoint({
  name: 'checkConsent',
  resource: 'Consent',
  method: 'GET',
  path: '/consent/check',
  summary: 'May this number call this peer?',
  scope: 'consent:read',
  query: checkConsentQuery,
  success: json(200, ConsentCheck),
  errors: ['NumberNotFound'],
})

export const recordConsent = endpoint({
  name: 'recordConsent',
  resource: 'Consent',
  method: 'POST',
  path: '/consent',
  summary: 'Record that a peer agreed to be called',
  scope: 'consent:write',
  body: recordConsentBody,
  success: json(201, ConsentRecord),
  errors: ['NumberNotFound'],
})

export const revokeConsent = endpoint({
  name: 'revokeConsent',
  resource: 'Consent',
  method: 'POST',
  path: '/consent/revoke',
  summary: 'Revoke consent, or record an opt-out',
  description:
    'Blocks the next call at once. Without `optOut`, a pair that has no active consent is `NotFound`.',
  scope: 'consent:write',
  body: revokeConsentBody,
  success: json(200, ConsentRecord),
  errors: ['NumberNotFound', 'NotFound'],
})

export const listOptOuts = endpoint({
  name: 'listOptOuts',
  resource: 'Consent',
  method: 'GET',
  path: '/opt-outs',
  summary: 'List the peers who opted out',
  description: 'Those in force. No number of the workspace calls or texts them.',
  scope: 'consent:read',
  query: listOptOutsQuery,
  success: page(OptOut),
  errors: [],
})

export const recordOptOut = endpoint({
  name: 'recordOptOut',
  resource: 'Consent',
  method: 'POST',
  path: '/opt-outs',
  summary: 'Record that a peer opted out',
  description:
    'No number of the workspace may reach this peer any more, whatever consent there is. Saying it again changes nothing, and answers the opt-out in force.',
  scope: 'consent:write',
  body: recordOptOutBody,
  success: json(200, OptOut),
  errors: [],
})

export const getUsage = endpoint({
  name: 'getUsage',
  resource: 'Billing',
  method: 'GET',
  path: '/usage',
  summary: 'What was used, and what is left',
  scope: 'billing:read',
  query: usageQuery,
  success: json(200, Usage),
  errors: [],
})

export const listTransactions = endpoint({
  name: 'listTransactions',
  resource: 'Billing',
  method: 'GET',
  path: '/transactions',
  summary: 'List ledger entries',
  scope: 'billing:read',
  query: listQuery,
  success: page(Transaction),
  errors: [],
})

export const getReceipt = endpoint({
  name: 'getReceipt',
  resource: 'Billing',
  method: 'GET',
  path: '/calls/:id/receipt',
  summary: 'Read the receipt of a call',
  description:
    'One item for the call and one for each target that it was joined with: seconds, rate, every slice that was held, what was taken, and what was missing. Also while the call is live.',
  scope: 'billing:read',
  success: json(200, Receipt),
  errors: ['CallNotFound'],
})

export const listKeys = endpoint({
  name: 'listKeys',
  resource: 'Keys',
  method: 'GET',
  path: '/api-tokens',
  summary: 'List keys',
  scope: 'keys:admin',
  query: listQuery,
  success: page(Key),
  errors: [],
})

export const mintKey = endpoint({
  name: 'mintKey',
  resource: 'Keys',
  method: 'POST',
  path: '/api-tokens',
  summary: 'Mint a key',
  description:
    'The only time its token is shown. Scopes, numbers, cap, expiry and environment stay within those of the key that mints.',
  scope: 'keys:admin',
  body: mintKeyBody,
  success: json(201, KeyWithToken),
  errors: ['NumberNotFound'],
  secretFields: ['token'],
})

export const revokeKey = endpoint({
  name: 'revokeKey',
  resource: 'Keys',
  method: 'POST',
  path: '/api-tokens/:id/revoke',
  summary: 'Revoke a key and its descendants',
  scope: 'keys:admin',
  success: json(200, Key),
  errors: ['NotFound'],
})

export const listAuditEvents = endpoint({
  name: 'listAuditEvents',
  resource: 'Audit',
  method: 'GET',
  path: '/audit-events',
  summary: 'List audit events',
  scope: 'audit:read',
  query: listAuditQuery,
  success: page(AuditEvent),
  errors: [],
})
