// The scripts that phones can follow: the bundled ones, those of the operator's own directory, and who follows which.
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Fault } from '@saperly/kernel'
import { parseScript } from './script.ts'
import type { Script } from './script.ts'

const BUNDLED = fileURLToPath(new URL('../../scripts/', import.meta.url))
const MAX_SCRIPTS = 1000

/** What answers at the sandbox's special numbers; every other number is friendly. */
const NUMBERS: Readonly<Record<string, string>> = {
  '+15555550101': 'busy',
  '+15555550102': 'unanswered',
  '+15555550103': 'declines',
  '+15555550104': 'refused',
  '+15555550105': 'silent-carrier',
  '+15555550106': 'voicemail',
  '+15555550107': 'hangs-up',
  '+15555550108': 'interrupts',
  '+15555550109': 'mute',
  '+15555550110': 'presses',
  '+15555550111': 'opts-out',
  '+15555550112': 'unanswered',
  '+15555550113': 'no-transfer',
  '+15555550114': 'silent-transfer',
}
/** Numbers that have a phone of their own. */
export const SPECIAL_NUMBERS: readonly string[] = Object.keys(NUMBERS)
const DEFAULT_SCRIPT = 'friendly'

/** Scripts by name, which is the name of their file without `.json`. */
export class ScriptLibrary {
  readonly #scripts: ReadonlyMap<string, Script>

  private constructor(scripts: ReadonlyMap<string, Script>) {
    this.#scripts = scripts
  }

  /**
   * Reads the bundled scripts and those in `directory`, which win over bundled ones of the same name. Throws a Fault
   * that names the file and what is wrong with it.
   */
  static async load(directory: string | null): Promise<ScriptLibrary> {
    const scripts = await readAll(BUNDLED)
    if (directory !== null) {
      for (const [name, script] of await readAll(directory)) scripts.set(name, script)
    }
    return new ScriptLibrary(scripts)
  }

  get names(): string[] {
    return [...this.#scripts.keys()]
  }

  byName(name: string): Script | null {
    return this.#scripts.get(name) ?? null
  }

  forNumber(number: string): Script {
    const script = this.byName(NUMBERS[number] ?? DEFAULT_SCRIPT)
    if (!script) throw new Fault('a bundled sandbox script is missing', { retryable: false })
    return script
  }
}

/** Reads one script file. Throws a Fault that says what is wrong with it. */
export async function loadScript(path: string): Promise<Script> {
  const parsed = parseScript(await readFile(path, 'utf8'))
  if (parsed.ok) return parsed.value
  const { at, problem } = parsed.failure
  const where = at === '' ? 'it' : at
  throw new Fault(`script ${basename(path)}: ${where} ${problem}`, { retryable: false })
}

async function readAll(directory: string): Promise<Map<string, Script>> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.json')).sort()
  if (files.length > MAX_SCRIPTS) throw new Fault('too many sandbox scripts', { retryable: false })
  const scripts = new Map<string, Script>()
  for (const file of files) {
    scripts.set(basename(file, '.json'), await loadScript(join(directory, file)))
  }
  return scripts
}
