// Who recharges balances that have run low, and by which providers.
import type { CallDeps } from '../call/deps.ts'
import { type Config, ConfigError } from '../config.ts'
import type { Dialler } from '../outbound/dialler.ts'
import { keyFaults } from '../payment-config.ts'
import type { PaymentProvider } from '../payment/port.ts'
import { Recharger } from '../payment/recharger.ts'
import { simulatedPayments } from '../payment/simulated.ts'
import { StripePayments } from '../payment/stripe.ts'
import type { Ground } from './ground.ts'
import type { Committed } from './mail.ts'

/**
 * Recharges, where customers come in, as for webhooks: a process that only carries calls needs no key, and reaches out to
 * nobody. What it would say of low money the others see at their next look around.
 * @throws ConfigError when the key of the provider is missing, or of the wrong mode
 */
export function openPayments(
  ground: Ground,
  { committed }: Committed,
): Required<Pick<CallDeps, 'fundsLow'>> & { start: () => void } {
  const { config, dialler, closers } = ground
  if (config.role === 'network') return { fundsLow: () => {}, start: () => {} }
  const faults = keyFaults(config.payments)
  if (faults.length > 0) throw new ConfigError(faults)
  const providers = providersOf(config.payments, dialler)
  const { settings } = config.payments
  const recharger = new Recharger({ ...ground, providers, settings, committed })
  closers.push(() => recharger.close())
  return { fundsLow: (tenant) => recharger.wake(tenant), start: () => recharger.start() }
}

/** Who is asked for money in each environment: Stripe in the one of its key, and ourselves for test money. */
function providersOf(
  { provider, stripe }: Config['payments'],
  dialler: Dialler,
): Record<'test' | 'live', PaymentProvider | null> {
  if (!stripe) return { test: provider && simulatedPayments, live: null }
  const payments = new StripePayments({ dialler, ...stripe })
  return stripe.environment === 'live'
    ? { test: simulatedPayments, live: payments }
    : { test: payments, live: null }
}
