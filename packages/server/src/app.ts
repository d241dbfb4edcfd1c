// With app/, the one place that joins ports to adapters. Nobody imports it but the entry point and the tests' world.
import { assert } from '@saperly/kernel'
import type { Network } from '@saperly/network'
import { bootstrap, type FirstKey } from './bootstrap.ts'
import { CallRegistry } from './call/calls.ts'
import type { Config, Role } from './config.ts'
import type { Store } from './store/port.ts'
import { type Adapters, type Closers, openGround } from './app/ground.ts'
import { openMail } from './app/mail.ts'
import { type Carrying, openCalls } from './app/calls.ts'
import { openHealth, openFront } from './app/front.ts'
import { openPayments } from './app/payments.ts'

export type { Adapters } from './app/ground.ts'

/** A process in whatever role. */
export interface RunningRole {
  url: string
  role: Role
  /** The test key of the default workspace, and its demo number; null where customers don't come in. */
  first: FirstKey | null
  /** Calls that live in this process. */
  readonly live: number
  /**
   * Takes no new calls, and resolves when the last live one is over, after `limits.drainSec`, or when `hurry` aborts.
   * `close` comes after it.
   */
  drain(hurry: AbortSignal): Promise<void>
  /** Ends live calls, delivers nothing more, gives everything back. */
  close(): Promise<void>
}

/** A process that plays every role. */
export interface Server extends RunningRole {
  first: FirstKey
  store: Store
  network: Network
  calls: CallRegistry
}

/** Starts a whole server. Resolves when it is ready to take calls; what the last process left is finished before. */
export async function startServer(config: Config, adapters: Adapters = {}): Promise<Server> {
  assert(config.role === 'all', 'a whole server plays every role')
  const { running, store, carrying } = await open(config, adapters)
  const { first } = running
  assert(first && carrying, 'a whole server has all of its parts')
  const { network, calls } = carrying
  return Object.assign(running, { first, store, network, calls })
}

/** Starts what the configured role needs: HTTP for customers, calls, or both. */
export async function startRole(config: Config, adapters: Adapters = {}): Promise<RunningRole> {
  return (await open(config, adapters)).running
}

async function open(
  config: Config,
  adapters: Adapters,
): Promise<{ running: RunningRole; store: Store; carrying: Carrying | null }> {
  const closers: Closers = []
  const close = async (): Promise<void> => {
    for (const shut of closers.splice(0).toReversed()) await shut()
  }
  try {
    const state: { carrying: Carrying | null; draining: boolean } = {
      carrying: null,
      draining: false,
    }
    const ground = await openGround(config, adapters, closers, (processId) => ({
      role: config.role,
      leaseId: state.carrying?.lease.id ?? processId,
      closed: state.draining || (state.carrying?.network.load.overloaded ?? true),
      liveCalls: state.carrying?.calls.live ?? 0,
      // A worker says of itself only after its first second.
      workers: state.carrying ? Math.max(1, state.carrying.network.load.workers.length) : 0,
    }))
    const { role, rootKey, dataDir } = config
    const first = role === 'network' ? null : await bootstrap({ ...ground, dataDir }, rootKey)
    const mail = openMail(ground)
    const payments = openPayments(ground, mail)
    const told = { ...mail, fundsLow: payments.fundsLow }
    const carrying = role === 'api' ? null : await openCalls(ground, adapters, told)
    state.carrying = carrying
    const door = await (role === 'network' ? openHealth : openFront)(ground, carrying, mail)
    const refuseNew = (): void => {
      state.draining = true
      door.drain()
    }
    closers.push(refuseNew)
    mail.start()
    payments.start()
    const running: RunningRole = {
      url: door.url,
      role,
      first,
      get live() {
        return carrying?.calls.live ?? 0
      },
      drain: async (hurry) => {
        refuseNew()
        await carrying?.calls.drained(config.limits.drainSec * 1000, hurry)
      },
      close,
    }
    return { running, store: ground.store, carrying }
  } catch (error) {
    await close()
    throw error
  }
}
