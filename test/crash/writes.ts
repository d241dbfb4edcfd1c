// Which methods of the store's port change something. The compiler asks for a line here when the port gets a method.
import type { Tables } from '../../packages/server/src/store/port.ts'

/** `none` asks nothing of the database. */
type Kind = 'read' | 'write' | 'none'

const KINDS: { [A in keyof Tables]: { [M in keyof Tables[A]]: Kind } } = {
  workspaces: { create: 'write', get: 'read', list: 'read' },
  keys: {
    insert: 'write',
    findByHash: 'read',
    get: 'read',
    list: 'read',
    revokeTree: 'write',
    touch: 'write',
  },
  numbers: { insert: 'write', get: 'read', findActive: 'read', list: 'read', update: 'write' },
  connections: { insert: 'write', get: 'read', findById: 'read', list: 'read', update: 'write' },
  consent: {
    grant: 'write',
    revoke: 'write',
    active: 'read',
    list: 'read',
    optOut: 'write',
    optOutAll: 'write',
    optOuts: 'read',
    liftOptOut: 'write',
    isOptedOut: 'read',
    pseudonym: 'none',
    standing: 'read',
  },
  erasure: { isOnCall: 'read', recordings: 'read', erase: 'write' },
  retention: {
    recordings: 'read',
    forgetRecordings: 'write',
    forgetTranscripts: 'write',
    forgetSignalling: 'write',
    forgetEvents: 'write',
  },
  ledger: {
    reserve: 'write',
    extend: 'write',
    settle: 'write',
    release: 'write',
    held: 'read',
    charge: 'write',
    topUp: 'write',
    balance: 'read',
    posted: 'read',
    list: 'read',
    verify: 'read',
  },
  receipts: { entries: 'read' },
  recharges: {
    low: 'read',
    open: 'write',
    claim: 'write',
    postpone: 'write',
    settle: 'write',
    pardon: 'write',
    nextDueAt: 'read',
    list: 'read',
  },
  calls: {
    insert: 'write',
    get: 'read',
    list: 'read',
    change: 'write',
    unfinished: 'read',
    takeOver: 'write',
    usage: 'read',
  },
  processes: {
    join: 'write',
    beat: 'write',
    leave: 'write',
    declareLost: 'write',
    forget: 'write',
    list: 'read',
  },
  events: { append: 'write', list: 'read' },
  transcripts: { append: 'write', list: 'read', count: 'read' },
  signalling: { keep: 'write', get: 'read' },
  webhooks: { insert: 'write', get: 'read', list: 'read', update: 'write' },
  outbox: {
    emit: 'write',
    insert: 'write',
    claim: 'write',
    settle: 'write',
    get: 'read',
    list: 'read',
    replay: 'write',
    replayRange: 'write',
    nextDueAt: 'read',
  },
  // A feed that is read gives places to the events that have none yet.
  feed: { read: 'write' },
  idempotency: { begin: 'write', nameCall: 'write', complete: 'write', free: 'write' },
  audit: {
    append: 'write',
    list: 'read',
    chain: 'write',
    ends: 'read',
    links: 'read',
    verify: 'read',
  },
}

/** Every method that writes, as `aggregate.method`. */
export const WRITES: readonly string[] = Object.entries(KINDS).flatMap(([aggregate, methods]) =>
  Object.entries(methods)
    .filter(([, kind]) => kind === 'write')
    .map(([method]) => `${aggregate}.${method}`),
)
