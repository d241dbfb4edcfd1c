// What is written to a terminal: lines, colours where they are wanted, tables, amounts.

export interface Streams {
  stdout: (text: string) => void
  stderr: (text: string) => void
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

const CODES: Record<Style, readonly [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

export class Terminal {
  readonly #streams: Streams
  readonly #colour: boolean

  constructor(streams: Streams, colour: boolean) {
    this.#streams = streams
    this.#colour = colour
  }

  line(text = ''): void {
    this.#streams.stdout(`${text}\n`)
  }

  error(text: string): void {
    this.#streams.stderr(`${text}\n`)
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2))
  }

  paint(style: Style, text: string): string {
    if (!this.#colour) return text
    const [on, off] = CODES[style]
    return `\u001B[${on}m${text}\u001B[${off}m`
  }

  /** Rows in columns, under a heading. */
  table(heading: readonly string[], rows: readonly (readonly string[])[]): void {
    for (const [at, line] of aligned([heading, ...rows]).entries()) {
      this.line(at === 0 ? this.paint('dim', line) : line)
    }
  }
}

/** The rows as lines, each column as wide as its widest cell. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** `$1.05`, and `-$0.13` for what was taken. */
export function dollars(cents: number): string {
  return `${cents < 0 ? '-' : ''}$${(Math.abs(cents) / 100).toFixed(2)}`
}
