// The hash chain of the audit trail: what each link covers, and how a whole chain is proved.
//
// A link covers a keyed, salted digest of the row's data instead of the data: erase data and salt, and the person is
// gone, while the chain can still be proved.
import { createHash, createHmac } from 'node:crypto'

/** What comes before the first row of a chain. */
export const CHAIN_START = '0'.repeat(64)

/** A row of the trail as the chain sees it. */
export interface ChainedRow {
  id: string
  workspaceId: string
  environment: string
  eventType: string
  targetType: string
  targetId: string
  actor: string
  dataDigest: string
  createdAt: number
}

/** JSON with the keys of every object in order, so that equal values give equal bytes. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`)
  return `{${fields.join(',')}}`
}

/** HMAC-SHA256 (hex) over salt and data, under the installation's audit key. */
export function digestOf(auditKey: string, salt: string, data: Record<string, unknown>): string {
  return createHmac('sha256', auditKey)
    .update(`${salt}.${canonical(data)}`)
    .digest('hex')
}

/** The hash (hex) of a row that follows `previousHash`. */
export function linkHash(previousHash: string, row: ChainedRow): string {
  const covered = canonical([
    row.id,
    row.workspaceId,
    row.environment,
    row.eventType,
    row.targetType,
    row.targetId,
    row.actor,
    row.dataDigest,
    row.createdAt,
  ])
  return createHash('sha256').update(previousHash).update(covered).digest('hex')
}

/** A row of the trail with its place in the chain, and its data unless that was erased. */
export interface ChainLink extends ChainedRow {
  data: Record<string, unknown> | null
  salt: string | null
  position: number
  hash: string
  previousHash: string
}

/** Walks one chain from its start, link by link, and says what is wrong with each. */
export class ChainWalk {
  readonly #auditKey: string
  #position = 0
  #hash = CHAIN_START

  constructor(auditKey: string) {
    this.#auditKey = auditKey
  }

  /** What is wrong with the link that comes next; empty when nothing is. */
  step(link: ChainLink): string[] {
    const problems: string[] = []
    if (link.position !== this.#position + 1) problems.push('rows before this one are missing')
    else if (link.previousHash !== this.#hash) problems.push('does not follow from the row before')
    if (linkHash(link.previousHash, link) !== link.hash) problems.push('was changed')
    const { data, salt, dataDigest } = link
    if (data && salt && digestOf(this.#auditKey, salt, data) !== dataDigest)
      problems.push('its data was changed')
    this.#position = link.position
    this.#hash = link.hash
    return problems
  }

  /** Whether the walk has come to this end. */
  endsAt(end: { position: number; hash: string }): boolean {
    return this.#position === end.position && this.#hash === end.hash
  }
}
