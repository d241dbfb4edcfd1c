// A server in a process of its own, for tests that treat it badly: prints where it is, and closes in order on SIGTERM.
import { readConfig, startServer } from '../packages/server/dist/index.js'

const server = await startServer(readConfig())
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)))
process.stdout.write(`${JSON.stringify({ url: server.url, token: server.first.token })}\n`)
