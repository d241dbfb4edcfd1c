// Reads one JSON object field by field, and remembers the first thing that is wrong with it, and where.

export interface ScriptFailure {
  /** Where, as in `steps[2].text`; empty for the whole. */
  at: string
  problem: string
}

export class Reader {
  readonly #fields: ReadonlyMap<string, unknown>
  readonly #path: string
  readonly #read = new Set<string>()
  readonly #parent: Reader | null
  failure: ScriptFailure | null = null

  constructor(value: unknown, path = '', parent: Reader | null = null) {
    this.#path = path
    this.#parent = parent
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    this.#fields = new Map(isObject ? Object.entries(value) : [])
    if (!isObject) this.fault('', 'must be an object')
  }

  /** Notes what is wrong with a field; the first fault stands. */
  fault(name: string, problem: string): void {
    const at = name === '' || this.#path === '' ? `${this.#path}${name}` : `${this.#path}.${name}`
    this.#note({ at, problem })
  }

  text(name: string, maxChars: number): string {
    const text = this.optionalText(name, maxChars)
    if (text === null) this.fault(name, 'must be a text')
    return text ?? ''
  }

  optionalText(name: string, maxChars: number): string | null {
    const value = this.#take(name)
    if (value === undefined || value === null) return null
    if (typeof value === 'string' && value !== '' && value.length <= maxChars) return value
    this.fault(name, `must be a text of 1 to ${maxChars} characters`)
    return null
  }

  whole(name: string, low: number, high: number): number {
    const value = this.optionalWhole(name, low, high)
    if (value === null) this.fault(name, `must be a whole number from ${low} to ${high}`)
    return value ?? low
  }

  optionalWhole(name: string, low: number, high: number): number | null {
    const value = this.#take(name)
    if (value === undefined || value === null) return null
    if (Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high) {
      return value as number
    }
    this.fault(name, `must be a whole number from ${low} to ${high}`)
    return null
  }

  /** False when absent. */
  flag(name: string): boolean {
    const value = this.#take(name) ?? false
    if (typeof value !== 'boolean') this.fault(name, 'must be true or false')
    return value === true
  }

  /** Empty when absent. */
  texts(name: string, maxItems: number, maxChars: number): string[] {
    return this.#items(name, maxItems).map((value, i) => {
      const fine = typeof value === 'string' && value !== '' && value.length <= maxChars
      if (!fine) this.fault(`${name}[${i}]`, `must be a text of 1 to ${maxChars} characters`)
      return fine ? value : ''
    })
  }

  /** Objects, each read to its end by `read`. Empty when absent. */
  list<T>(name: string, maxItems: number, read: (item: Reader) => T): T[] {
    return this.#items(name, maxItems).map((value, i) => {
      const path = this.#path === '' ? `${name}[${i}]` : `${this.#path}.${name}[${i}]`
      const item = new Reader(value, path, this)
      const result = read(item)
      item.end()
      return result
    })
  }

  /** Complains about fields that nobody has asked for: a misspelt one must not pass unseen. */
  end(): void {
    for (const name of this.#fields.keys()) {
      if (!this.#read.has(name)) this.fault(name, 'is not known here')
    }
  }

  #take(name: string): unknown {
    this.#read.add(name)
    return this.#fields.get(name)
  }

  #items(name: string, maxItems: number): unknown[] {
    const value = this.#take(name)
    if (value === undefined) return []
    if (Array.isArray(value) && value.length <= maxItems) return value
    this.fault(name, `must be a list of at most ${maxItems}`)
    return []
  }

  #note(failure: ScriptFailure): void {
    if (this.#parent) this.#parent.#note(failure)
    else this.failure ??= failure
  }
}
