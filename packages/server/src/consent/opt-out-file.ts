// A do-not-call file: one number a line, or a CSV whose first column is the number.
import { fail, isE164, ok, type Result } from '@saperly/kernel'

/** Numbers of one file; a longer list is split by whoever has it. */
export const MAX_FILE_NUMBERS = 100_000
/** Faults that are told one by one; of the rest only how many there are. */
const MAX_FAULTS_TOLD = 100

/**
 * The numbers of the file, each once. Empty lines and lines that begin with `#` are passed over, and so is a first line
 * without a digit in its first column: the names of the columns. Fails with every line that is no number, in words; a
 * line itself, which may be somebody's number, never stands in them.
 */
export function readOptOutFile(text: string): Result<string[], string[]> {
  const numbers = new Set<string>()
  const faults: string[] = []
  let begun = false
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue
    const number = firstColumn(line)
    const isHeader = !begun && !/\d/.test(number)
    begun = true
    if (isHeader) continue
    if (isE164(number)) numbers.add(number)
    else faults.push(`line ${index + 1}: not an E.164 number such as +15551234567`)
  }
  if (numbers.size > MAX_FILE_NUMBERS)
    faults.push(`has ${numbers.size} numbers, and ${MAX_FILE_NUMBERS} is the most of one file`)
  if (faults.length === 0) return ok([...numbers])
  const untold = faults.length - MAX_FAULTS_TOLD
  return fail([...faults.slice(0, MAX_FAULTS_TOLD), ...(untold > 0 ? [`and ${untold} more`] : [])])
}

/** What stands before the first comma, semicolon or tab, without its quotes. */
function firstColumn(line: string): string {
  const column = line.split(/[,;\t]/, 1)[0]!.trim()
  return /^".*"$/.test(column) ? column.slice(1, -1).trim() : column
}
