// What `saperly doctor` asks of the bus: whether one of its servers lets us in.
import { deferred, SystemClock, silentLog } from '@saperly/kernel'
import { NatsBus } from './bus/nats.ts'
import type { Config } from './config.ts'

/** Whether a server of NATS greets us within `limitMs`. */
export async function checkBus(
  { natsUrls }: Pick<Config, 'natsUrls'>,
  limitMs: number,
): Promise<boolean> {
  const clock = new SystemClock()
  const bus = new NatsBus({ urls: natsUrls, clock, log: silentLog })
  const greeted = deferred<boolean>()
  bus.watch((up) => up && greeted.resolve(true))
  const limit = clock.schedule(limitMs, () => greeted.resolve(false))
  const answer = await greeted.promise
  limit.cancel()
  await bus.close()
  return answer
}
