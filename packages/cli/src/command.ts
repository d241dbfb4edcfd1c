// What a command is: its words, its options, what it does, and how its arguments are read.
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { aligned, type Terminal } from './terminal.ts'

export interface Surroundings {
  terminal: Terminal
  environment: Record<string, string | undefined>
  directory: string
  /** Aborted when the command is asked to end. */
  signal: AbortSignal
  /** Aborted when it is asked once more. */
  hurry: AbortSignal
}

export interface Option {
  /** A flag when there is no value. */
  value?: string
  says: string
}

export interface Command {
  /** One or two: `keys list`. */
  words: string
  /** Positional arguments, as the usage shows them: `<to>`, `[name]`. */
  takes?: readonly string[]
  says: string
  options?: Readonly<Record<string, Option>>
  /** The exit code; none is 0. */
  run(given: Given, around: Surroundings): Promise<number | void>
}

/** The command was called in a way that it does not understand, or can't do what was asked. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What stood behind the words of the command. */
export class Given {
  readonly #values: Record<string, string | boolean | undefined>
  readonly #arguments: Record<string, string | undefined>

  constructor(
    values: Record<string, string | boolean | undefined>,
    positional: Record<string, string | undefined>,
  ) {
    this.#values = values
    this.#arguments = positional
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  option(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  /** The positional argument that the usage names so. */
  argument(name: string): string {
    return this.#arguments[name] ?? ''
  }
}

/** Reads the arguments of a command. `--help` is the caller's. @throws UsageError */
export function readArguments(command: Command, args: readonly string[]): Given {
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { value }] of Object.entries(command.options ?? {})) {
    options[name] = { type: value === undefined ? 'boolean' : 'string' }
  }
  const { values, positionals } = parsed([...args], options)
  const takes = command.takes ?? []
  const missing = takes[positionals.length]
  if (missing?.startsWith('<')) throw new UsageError(`${missing} is missing`)
  if (positionals.length > takes.length) {
    throw new UsageError(`${positionals[takes.length] ?? ''} is one argument too many`)
  }
  const named = takes.map((name, at) => [name.replace(/[<>[\]]/g, ''), positionals[at]] as const)
  return new Given(values, Object.fromEntries(named))
}

function parsed(args: string[], options: NonNullable<ParseArgsConfig['options']>) {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    return { values: values as Record<string, string | boolean | undefined>, positionals }
  } catch (error) {
    // Only the first sentence: the rest is about how to pass what we don't take.
    const [said = ''] = (error as Error).message.split(/\. |\.$/)
    throw new UsageError(said)
  }
}

export function usageOf({ words, takes = [] }: Command): string {
  return ['saperly', words, ...takes].join(' ')
}

/** The help of one command. */
export function helpOf(command: Command): string[] {
  const options = Object.entries(command.options ?? {}).map(([name, { value, says }]) => [
    `  --${name}${value === undefined ? '' : ` ${value}`}`,
    says,
  ])
  return [
    `Usage: ${usageOf(command)}${options.length > 0 ? ' [options]' : ''}`,
    '',
    command.says,
    ...(options.length > 0 ? ['', 'Options:', ...aligned(options)] : []),
  ]
}

/** A whole number of at least `least`. @throws UsageError */
export function wholeNumber(text: string, name: string, least = 0): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number >= least) return number
  throw new UsageError(`${name} must be a whole number${least > 0 ? ` of at least ${least}` : ''}`)
}
