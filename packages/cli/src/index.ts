// The command as a function, for programs and tests that run it without a shell.
export { type Program, runProgram } from './program.ts'
export { firstCall } from './commands/start.ts'
