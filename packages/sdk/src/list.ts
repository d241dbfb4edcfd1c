// A list of the API: await it for its first page, iterate over it for everything.
import { apiError } from './api-error.ts'
import { SaperlyError } from './errors.ts'
import type { OperationName, Operations } from './generated/operations.ts'
import { readJson, type Outgoing, type RequestOptions, type Transport } from './transport.ts'

/** One page: an array, newest first, that knows what comes after it. */
export class Page<T> extends Array<T> {
  readonly #next: (() => Promise<Page<T>>) | null

  constructor(items: readonly T[] = [], next: (() => Promise<Page<T>>) | null = null) {
    super()
    for (const item of items) this.push(item)
    this.#next = next
  }

  /** What `map` and `filter` make of a page is a plain array. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }

  get hasNext(): boolean {
    return this.#next !== null
  }

  /** The page after this one, or null when this is the last. */
  next(): Promise<Page<T> | null> {
    return this.#next ? this.#next() : Promise.resolve(null)
  }
}

/** Asks only once it is awaited or iterated over. */
export class List<T> implements Promise<Page<T>>, AsyncIterable<T> {
  readonly [Symbol.toStringTag] = 'List'
  readonly #open: () => Promise<Page<T>>
  #first: Promise<Page<T>> | null = null

  constructor(open: () => Promise<Page<T>>) {
    this.#open = open
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let page: Page<T> | null = await this.#page()
    while (page) {
      yield* page
      page = await page.next()
    }
  }

  // The point of it: a list that is awaited is its first page.
  // oxlint-disable-next-line unicorn/no-thenable
  readonly then: Promise<Page<T>>['then'] = (onFulfilled, onRejected) =>
    this.#page().then(onFulfilled, onRejected)

  readonly catch: Promise<Page<T>>['catch'] = (onRejected) => this.#page().catch(onRejected)

  readonly finally: Promise<Page<T>>['finally'] = (onFinally) => this.#page().finally(onFinally)

  #page(): Promise<Page<T>> {
    this.#first ??= this.#open()
    return this.#first
  }
}

/** The list that a route gives. */
export function list<Name extends OperationName>(
  transport: Transport,
  name: Name,
  request: { id?: string; query?: Operations[Name]['query'] },
  options: RequestOptions = {},
): List<Operations[Name]['answer']> {
  return new List(() => pageAt(transport, transport.outgoing(name, request), options))
}

async function pageAt<T>(
  transport: Transport,
  outgoing: Outgoing,
  options: RequestOptions,
): Promise<Page<T>> {
  const { items, link } = await transport.send(outgoing, options, async (response) => {
    const { status, headers } = response
    const body = await readJson(response)
    if (!Array.isArray(body)) throw apiError(JSON.stringify(body), { status, headers })
    return { items: body as T[], link: nextLink(headers.get('link')) }
  })
  if (link === null) return new Page(items)
  const url = sameHost(outgoing.url, link)
  return new Page(items, () => pageAt(transport, { ...outgoing, url }, options))
}

/** The address of `rel="next"` in a Link header (RFC 8288), or null. */
export function nextLink(header: string | null): string | null {
  for (const [, address, parameters] of (header ?? '').matchAll(/<([^>]*)>([^,]*)/g)) {
    if (/;\s*rel="?next"?\s*(?:;|$)/i.test(parameters ?? '')) return address ?? null
  }
  return null
}

/**
 * The next page from where this one came: behind a proxy the server may know itself by another name, and the key goes
 * to no other host than the one that was configured.
 */
function sameHost(from: string, link: string): string {
  const here = new URL(from)
  const there = new URL(link, from)
  if (there.search === here.search) throw new SaperlyError('the next page is this one')
  return `${here.origin}${here.pathname}${there.search}`
}
