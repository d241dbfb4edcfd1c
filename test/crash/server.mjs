// A server in a process of its own, for tests that kill it: prints where it is, and runs until it dies.
import { readConfig, startServer } from '../packages/server/dist/index.js'

const server = await startServer(readConfig())
process.stdout.write(`${JSON.stringify({ url: server.url, token: server.first.token })}\n`)
