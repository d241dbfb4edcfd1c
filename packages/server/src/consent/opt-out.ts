// When a person says stop: what counts as saying so, and who may lift it again.
import type { Ids } from '@saperly/kernel'
import type { OptOutRow, Tables, Tenant } from '../store/port.ts'
import { audit, type Actor } from './trail.ts'

/** The digit that the disclosure names. */
export const OPT_OUT_DIGIT = '9'

/** What every recogniser listens for, and what a brain's tool is told to notice. */
export const OPT_OUT_PHRASES: readonly string[] = [
  'stop calling me',
  'stop calling',
  'do not call me again',
  "don't call me again",
  'do not call me',
  "don't call me",
  'do not call again',
  "don't call again",
  'never call me again',
  'take me off your list',
  'remove me from your list',
  'put me on your do not call list',
  'unsubscribe me',
]

/** Words that are a wish to stop only when nothing else is said. */
const OPT_OUT_WORDS: readonly string[] = [
  'stop',
  'stopall',
  'stop all',
  'unsubscribe',
  'opt out',
  'optout',
]

const NORMAL_OPT_OUT_PHRASES = OPT_OUT_PHRASES.map(normal)

/** Longest text that is looked at; a person who wants to stop says so in fewer words. */
const MAX_TEXT_LENGTH = 2000

/** True when what the peer said or wrote asks not to be contacted any more. Case and punctuation don't matter. */
export function isOptOutText(text: string): boolean {
  const said = normal(text.slice(0, MAX_TEXT_LENGTH))
  return (
    OPT_OUT_WORDS.includes(said) ||
    NORMAL_OPT_OUT_PHRASES.some((phrase) => ` ${said} `.includes(` ${phrase} `))
  )
}

function normal(text: string): string {
  return text
    .toLowerCase()
    .replace(/[’']/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

export interface OptOutChange {
  tenant: Tenant
  peerNumber: string
  /** How it was said: `digit`, `speech`, `sms`, `api`, `import`. */
  source: string
  /** What the customer notes about it. */
  reason?: string | null
  actor: Actor
  at: number
}

/** From now on no number of the workspace calls or texts this peer. Idempotent; audited each time it is said. */
export async function optOut(tables: Tables, ids: Ids, change: OptOutChange): Promise<OptOutRow> {
  const { tenant, peerNumber, source, reason = null, actor, at } = change
  const row = await tables.consent.optOut(tenant, peerNumber, source, at, reason)
  await audit(tables, ids, {
    tenant,
    eventType: 'opt_out.recorded',
    targetType: 'peer',
    targetId: tables.consent.pseudonym(tenant, peerNumber),
    actor,
    data: { peerNumber, source },
    at,
  })
  return row
}

/** Lifts an opt-out: the peer said START, or the customer vouches for a new explicit consent. False: there was none. */
export async function liftOptOut(tables: Tables, ids: Ids, change: OptOutChange): Promise<boolean> {
  const { tenant, peerNumber, source, actor, at } = change
  if (!(await tables.consent.liftOptOut(tenant, peerNumber, source, at))) return false
  await audit(tables, ids, {
    tenant,
    eventType: 'opt_out.lifted',
    targetType: 'peer',
    targetId: tables.consent.pseudonym(tenant, peerNumber),
    actor,
    data: { peerNumber, source },
    at,
  })
  return true
}
