// `npm run sim -- --seed N --calls N`: loads the simulator's sources, which Node 20 can't read by itself, and runs it.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { createViteServer } from 'vitest/node'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '1000' },
    'calls-per-seed': { type: 'string', default: '200' },
    processes: { type: 'string', default: '1' },
    log: { type: 'boolean', default: false },
  },
})

function whole(name) {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value > 0) return value
  process.stderr.write(`--${name} must be a whole number above zero\n`)
  process.exit(2)
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

const conditions = ['source']
const loader = await createViteServer({
  configFile: false,
  root: new URL('../..', import.meta.url).pathname,
  logLevel: 'error',
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
})
const { play } = await loader.ssrLoadModule('/test/sim/command.ts')
const failing = await play({
  seed: whole('seed'),
  calls: whole('calls'),
  callsPerSeed: whole('calls-per-seed'),
  processes: whole('processes'),
  log: values.log,
  commit: commit(),
  print: (line) => process.stdout.write(`${line}\n`),
  elapsedMs: () => performance.now(),
})
await loader.close()
process.exit(failing > 0 ? 1 : 0)
