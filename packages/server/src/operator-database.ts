// The platform's database as an operator's command finds it: that of the URL, or the embedded one, run by whomever.
import type { Clock, Log } from '@saperly/kernel'
import type { Config } from './config.ts'
import type { DatabaseAddress } from './store/database.ts'
import { runningEmbedded } from './store/embedded/running.ts'
import { startEmbedded } from './store/embedded/supervisor.ts'

export interface OpenDatabase {
  address: DatabaseAddress
  /** Stops what was started for this command. To be called after its last client has gone. */
  stop(): Promise<void>
}

/**
 * The database of `DATABASE_URL`, else the embedded one: the running server's, or started for as long as it is needed.
 * @throws Fault when the embedded one can't be started
 */
export async function openDatabase(
  { databaseUrl, dataDir }: Pick<Config, 'databaseUrl' | 'dataDir'>,
  clock: Clock,
  log: Log,
): Promise<OpenDatabase> {
  const nothing = (): Promise<void> => Promise.resolve()
  if (databaseUrl !== null) return { address: { url: databaseUrl }, stop: nothing }
  const running = await runningEmbedded(dataDir)
  if (running) return { address: running, stop: nothing }
  return startEmbedded({ dataDir, clock, log })
}
