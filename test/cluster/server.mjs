// One process of a cluster, for tests that kill and stop it: prints where it is, and runs until it dies or is told to.
import { readConfig, startRole } from '../../packages/server/dist/index.js'

const running = await startRole(readConfig())
process.once('SIGTERM', () => void running.close().then(() => process.exit(0)))
process.stdout.write(
  `${JSON.stringify({ url: running.url, token: running.first?.token ?? null })}\n`,
)
