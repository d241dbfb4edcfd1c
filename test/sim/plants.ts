// Bugs that are planted to see them caught: each wraps one port of the process and breaks one promise.
import type { Clock } from '@saperly/kernel'
import type { Network, NetworkCommand } from '@saperly/network'
import type { Brains } from '../../packages/server/src/brain/port.ts'
import type { Store, Tables, Tenant } from '../../packages/server/src/store/port.ts'
import type { Chance } from './chance.ts'
import type { Invariant } from './journal.ts'
import { TENANT } from '../../packages/server/src/store/testing-rows.ts'
import { CALM, type FaultRates } from './faults.ts'
import { type Around, away, surround } from './model/store.ts'

/** What stands between the process and its ports; nothing by default. */
export interface Plant {
  store?: (store: Store, chance: Chance) => Store
  network?: (network: Network) => Network
  clock?: (clock: Clock, chance: Chance) => Clock
  brains?: Brains
}

/** A store whose statements go through `around`, those of transactions with the transaction's tables. */
function storeWith(store: Store, around: (tables: Tables, inside: boolean) => Around): Store {
  return {
    tables: surround(store.tables, around(store.tables, false)),
    transaction: (body) =>
      store.transaction((tables) => body(surround(tables, around(tables, true)))),
    close: () => store.close(),
  }
}

/** Replaces what one statement does, as often as `when` says. */
function instead(
  statement: string,
  act: (tables: Tables, args: readonly unknown[], run: () => Promise<unknown>) => Promise<unknown>,
  onlyInside = false,
): Plant {
  return {
    store: (store) =>
      storeWith(store, (tables, inside) => (name, args, run) => {
        if (name !== statement || (onlyInside && !inside)) return run()
        return act(tables, args, run) as ReturnType<typeof run>
      }),
  }
}

/** A network that some commands never reach. */
function without(lost: (command: NetworkCommand) => boolean): (network: Network) => Network {
  return (network) =>
    new Proxy(network, {
      get(target, name: keyof Network) {
        const member = target[name]
        if (typeof member !== 'function') return member
        if (name !== 'post') return (member as () => unknown).bind(target)
        return (command: NetworkCommand) => {
          if (!lost(command)) target.post(command)
        }
      },
    })
}

const SECOND_HOLD = 77

/** A bug, what it breaks, and the weather in which it shows; any, when none is named. */
interface Planted {
  breaks: Invariant
  /** Processes that share the store; one by default. */
  processes?: number
  plant: Plant
  rates?: FaultRates
}

export const PLANTS: Record<string, Planted> = {
  'double settle': {
    breaks: 'the bill is the sum of its postings',
    plant: instead('ledger.settle', async ({ ledger, calls }, args, run) => {
      const settled = await run()
      const [callId, costCents, at, hold] = args as [string, number, number, number]
      const call = await calls.get(TENANT, callId)
      if (!settled || !call || hold > 0) return settled
      const { workspaceId, environment, keyId } = call
      const tenant: Tenant = { workspaceId, environment }
      const again = { tenant, callId, hold: SECOND_HOLD, keyId, amountCents: 1, at }
      if ((await ledger.reserve(again)).ok) await ledger.settle(callId, costCents, at, SECOND_HOLD)
      return settled
    }),
  },
  overspend: {
    breaks: 'settled is at most held',
    plant: instead('ledger.settle', ({ ledger }, args) => {
      const [callId, costCents, at, hold] = args as [string, number, number, number]
      return ledger.settle(callId, costCents + 60, at, hold)
    }),
  },
  'a hold is forgotten': {
    breaks: 'a hold is resolved once',
    plant: instead('ledger.release', () => Promise.resolve(true)),
  },
  'a hold is only said to be there': {
    breaks: 'no INVITE without consent and a hold',
    plant: instead('ledger.reserve', () =>
      Promise.resolve({ ok: true, value: { balanceCents: 100 } }),
    ),
  },
  'lost event': {
    breaks: 'one terminal event per call',
    plant: instead('outbox.emit', (_, args, run) => {
      const [{ eventType }] = args as [{ eventType: string }]
      return eventType === 'call.failed' ? Promise.resolve(0) : run()
    }),
  },
  'an event twice': {
    breaks: 'one terminal event per call',
    plant: instead('outbox.emit', async (_, args, run) => {
      const [{ eventType }] = args as [{ eventType: string }]
      if (eventType === 'call.completed') await run()
      return run()
    }),
  },
  'a step is not written down': {
    breaks: 'events replay to the stored state',
    plant: instead('events.append', (_, args, run) => {
      const [{ type }] = args as [{ type: string }]
      return type === 'answered' ? Promise.resolve() : run()
    }),
  },
  'consent race': {
    breaks: 'no INVITE without consent and a hold',
    rates: { ...CALM, slow: 0.4, slowMs: 400 },
    plant: instead(
      'consent.standing',
      () => Promise.resolve({ optedOut: false, consented: true }),
      true,
    ),
  },
  'a key that is always fresh': {
    breaks: 'an idempotency key makes one call',
    plant: instead('idempotency.begin', async (_, __, run) => {
      await run()
      return { state: 'fresh' }
    }),
  },
  'speak before disclosure': {
    breaks: 'nothing is spoken before the disclosure',
    plant: {
      network: (network) =>
        new Proxy(network, {
          get(target, name: keyof Network) {
            const member = target[name]
            if (typeof member !== 'function') return member
            if (name !== 'post') return (member as () => unknown).bind(target)
            return (command: Parameters<Network['post']>[0]) => {
              if (command.type === 'speak' && command.protected) {
                target.post({ ...command, utteranceId: 'first', protected: false })
              }
              target.post(command)
            }
          },
        }),
    },
  },
  'a process that was given up goes on writing': {
    breaks: 'nothing happens on a call after its end',
    processes: 2,
    rates: CALM,
    plant: instead('events.append', ({ events }, args) => {
      const [row] = args as Parameters<Tables['events']['append']>
      return events.append(row)
    }),
  },
  'nobody takes over': {
    breaks: 'a call of a living process comes to its end',
    processes: 2,
    rates: { ...CALM, crash: 0.002 },
    plant: instead('calls.takeOver', () => Promise.resolve([])),
  },
  'an outage that is not outlived': {
    breaks: 'a call outlives a short outage',
    plant: instead('transcripts.append', () => Promise.reject(away())),
  },
  'a fuse that does not burn': {
    breaks: 'a call ends inside of what is held',
    plant: { network: without((command) => command.type === 'hangUp') },
  },
  'an end that nobody hears of': {
    breaks: 'a call of a living process comes to its end',
    plant: {
      network: (network) =>
        new Proxy(network, {
          get(target, name: keyof Network) {
            const member = target[name]
            if (typeof member !== 'function') return member
            if (name !== 'subscribe') return (member as () => unknown).bind(target)
            return (listener: Parameters<Network['subscribe']>[0]) =>
              target.subscribe((event) => {
                if (event.type !== 'ended' || event.measuredMs !== null) listener(event)
              })
          },
        }),
    },
  },
  'leaked timer': {
    breaks: 'nothing is left behind',
    plant: {
      clock: (clock, chance) => ({
        now: () => clock.now(),
        monotonicMs: () => clock.monotonicMs(),
        sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
        schedule(delayMs, callback) {
          const timer = clock.schedule(delayMs, callback)
          return chance.hits(0.3) ? { cancel: () => {} } : timer
        },
      }),
    },
  },
}
