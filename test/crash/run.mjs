// `npm run crash -- --rounds N --seed N --database embedded|postgres`, or `--points --only TEXT`: loads the harness, and runs it.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { createViteServer } from 'vitest/node'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    database: { type: 'string', default: 'embedded' },
    points: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
})

function whole(name) {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value > 0) return value
  process.stderr.write(`--${name} must be a whole number above zero\n`)
  process.exit(2)
}

if (!['embedded', 'postgres'].includes(values.database)) {
  process.stderr.write('--database must be embedded or postgres\n')
  process.exit(2)
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
const { play, playPoints } = await loader.ssrLoadModule('/test/crash/command.ts')
const sound = await (values.points ? playPoints : play)({
  rounds: whole('rounds'),
  seed: whole('seed'),
  database: values.database,
  only: values.only,
  commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  print: (line) => process.stdout.write(`${line}\n`),
})
await loader.close()
process.exit(sound ? 0 : 1)
