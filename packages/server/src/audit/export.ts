// The audit trail as lines of JSON that prove themselves: whole chains, their ends, and a seal over all of it.
import { createHmac, type Hmac } from 'node:crypto'
import type { ChainEnd, Tables } from '../store/port.ts'
import { type ChainLink, ChainWalk } from './chain.ts'

const HEAD = '{"saperlyAudit":1}'
/** Problems that are told; more than a few already mean the same. */
const MAX_PROBLEMS = 1000

/**
 * The lines of an export, without their line ends: a head; for each tenant the entries in the order of their chain, and
 * `{"end": …}`; and last `{"seal": …}`, an HMAC over everything before it. Null: every workspace. Entries that were not
 * chained when it began are not in it.
 */
export async function* exportTrail(
  audit: Pick<Tables['audit'], 'ends' | 'links'>,
  auditKey: string,
  workspaceId: string | null,
): AsyncGenerator<string> {
  const seal = sealWith(auditKey)
  const line = (text: string): string => {
    seal.update(`${text}\n`)
    return text
  }
  yield line(HEAD)
  for (const end of await audit.ends()) {
    if (workspaceId !== null && end.workspaceId !== workspaceId) continue
    for (let after = 0; ;) {
      const links = await audit.links(end, after)
      for (const link of links) yield line(JSON.stringify(link))
      if (links.length === 0) break
      after = links.at(-1)!.position
    }
    yield line(JSON.stringify({ end }))
  }
  yield JSON.stringify({ seal: seal.digest('hex') })
}

/** The word in front tells this use of the key from the digests of entries, whose text begins with a salt. */
function sealWith(auditKey: string): Hmac {
  return createHmac('sha256', auditKey).update('export.')
}

/** What is wrong with an export, in words; empty when it is as it was written, and every chain in it is whole. */
export async function verifyExport(
  lines: AsyncIterable<string>,
  auditKey: string,
): Promise<string[]> {
  const proof = new ExportProof(auditKey)
  let number = 0
  for await (const line of lines) {
    proof.read(line, ++number)
    if (proof.problems.length >= MAX_PROBLEMS) return proof.problems
  }
  proof.close()
  return proof.problems
}

class ExportProof {
  readonly problems: string[] = []
  readonly #auditKey: string
  readonly #seal: Hmac
  readonly #walks = new Map<string, ChainWalk>()
  #sealed = false

  constructor(auditKey: string) {
    this.#auditKey = auditKey
    this.#seal = sealWith(auditKey)
  }

  read(line: string, number: number): void {
    const report = (problem: string): void => void this.problems.push(`line ${number}: ${problem}`)
    const value = parsed(line)
    if (this.#sealed) return report('comes after the seal')
    if (value !== null && 'seal' in value) {
      this.#sealed = true
      if (value['seal'] !== this.#seal.digest('hex'))
        report('the seal does not fit: the file was changed, or written with another key')
      return
    }
    this.#seal.update(`${line}\n`)
    if (number === 1) return line === HEAD ? undefined : report('is no head of an export')
    if (value !== null && isEnd(value)) return this.#end(value.end, report)
    if (value === null || !isLink(value)) return report('is no entry')
    const of = tenantKey(value)
    const walk = this.#walks.get(of) ?? new ChainWalk(this.#auditKey)
    this.#walks.set(of, walk)
    for (const problem of walk.step(value)) report(`entry ${value.id}: ${problem}`)
  }

  #end(end: ChainEnd, report: (problem: string) => void): void {
    const walk = this.#walks.get(tenantKey(end)) ?? new ChainWalk(this.#auditKey)
    if (!walk.endsAt(end)) report('the end of the chain is missing')
    this.#walks.delete(tenantKey(end))
  }

  close(): void {
    if (!this.#sealed) this.problems.push('the file ends before its seal')
    for (const of of this.#walks.keys()) this.problems.push(`the chain of ${of} has no end`)
  }
}

function tenantKey({ workspaceId, environment }: { workspaceId: string; environment: string }) {
  return `${workspaceId} (${environment})`
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line)
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

function isEnd(value: object): value is { end: ChainEnd } {
  const end = (value as { end?: unknown }).end
  return end !== null && typeof end === 'object' && hasTexts(end, ['workspaceId', 'environment'])
}

const LINK_TEXTS = ['id', 'workspaceId', 'environment', 'dataDigest', 'hash', 'previousHash']

function isLink(value: object): value is ChainLink {
  const { position, data } = value as { position?: unknown; data?: unknown }
  return typeof position === 'number' && typeof data === 'object' && hasTexts(value, LINK_TEXTS)
}

function hasTexts(value: object, names: readonly string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'string')
}
