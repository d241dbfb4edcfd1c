#!/usr/bin/env node
// The saperly command: hands the process to the program, and its answer back to the shell.
import { runProgram } from './program.ts'

const stop = new AbortController()
const hurry = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // The first asks for an orderly end, the second for one without delay, and the third does not wait for it.
  process.on(name, () => {
    if (hurry.signal.aborted) process.exit(1)
    ;(stop.signal.aborted ? hurry : stop).abort()
  })
}

// A reader that has seen enough (`saperly … | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

process.exitCode = await runProgram(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  environment: process.env,
  directory: process.cwd(),
  colour: process.stdout.isTTY === true,
  signal: stop.signal,
  hurry: hurry.signal,
})
