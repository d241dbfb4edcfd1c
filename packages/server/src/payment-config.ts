// Recharges in the config: who is asked for money, what each workspace wants, and the key from the environment.
import { z } from 'zod'
import type { RechargeSettings } from './payment/recharger.ts'
import { STRIPE_API_URL } from './payment/stripe.ts'

/** Stripe's own bounds of one payment in US dollars. */
const MIN_PAYMENT_CENTS = 50
const MAX_PAYMENT_CENTS = 99_999_999
const MAX_CENTS = 1_000_000_000
const MAX_WORKSPACES = 10_000

const KEY = /^(?:sk|rk)_(test|live)_[A-Za-z0-9_]{8,250}$/
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

const cents = z.int().min(1).max(MAX_CENTS)
const name = z.string().regex(/^[\w-]{1,255}$/, 'must be a name of letters, digits, _ and -')

const wantedSchema = z
  .strictObject({
    belowCents: cents,
    amountCents: z.int().min(MIN_PAYMENT_CENTS).max(MAX_PAYMENT_CENTS),
    maxPerDayCents: cents,
    customer: name,
    paymentMethod: name,
  })
  .refine(({ amountCents, maxPerDayCents }) => amountCents <= maxPerDayCents, {
    path: ['maxPerDayCents'],
    message: 'must be at least amountCents',
  })

export const paymentsSchema = z.strictObject({
  provider: z.enum(['stripe', 'simulated']).nullable().default(null),
  workspaces: z
    .record(
      z.string().min(1).max(128),
      z.strictObject({ test: wantedSchema.optional(), live: wantedSchema.optional() }),
    )
    .refine((workspaces) => Object.keys(workspaces).length <= MAX_WORKSPACES, {
      message: `must be at most ${MAX_WORKSPACES}`,
    })
    .default({}),
})

type PaymentsFile = z.output<typeof paymentsSchema>

export const stripeEnvironment = {
  STRIPE_SECRET_KEY: z
    .string()
    .regex(KEY, 'must be a secret or restricted key of Stripe, sk_live_… or sk_test_…')
    .optional(),
  STRIPE_API_URL: z
    .url({ protocol: /^https?$/ })
    .refine((url) => isSafe(url), 'must be https:// unless it is on this machine')
    .default(STRIPE_API_URL),
} satisfies z.ZodRawShape

export interface PaymentsConfig {
  provider: PaymentsFile['provider']
  /** The key that is there, and the environment whose money it moves. */
  stripe: { secretKey: string; apiUrl: string; environment: 'test' | 'live' } | null
  settings: readonly RechargeSettings[]
}

/** The key crosses the wire with each request. */
function isSafe(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || LOOPBACK.test(hostname)
}

/** What the file and the environment make together; what is wrong with the file alone is added to `faults`. */
export function paymentsConfig(
  { provider, workspaces }: PaymentsFile,
  { STRIPE_SECRET_KEY: secretKey, STRIPE_API_URL: apiUrl }: StripeEnvironment,
  faults: string[],
): PaymentsConfig {
  const settings = Object.entries(workspaces).flatMap(([workspaceId, wanted]) =>
    (['test', 'live'] as const).flatMap((environment) => {
      const own = wanted[environment]
      return own ? [{ tenant: { workspaceId, environment }, ...own }] : []
    }),
  )
  if (provider === null && settings.length > 0) {
    faults.push('config file: payments.provider: must be set where a workspace is recharged')
  }
  if (provider === 'simulated') faults.push(...liveOnes(settings, 'needs the provider stripe'))
  const stripe =
    provider === 'stripe' && secretKey !== undefined
      ? { secretKey, apiUrl: apiUrl.replace(/\/$/, ''), environment: environmentOf(secretKey) }
      : null
  return { provider, stripe, settings }
}

/** What is wrong with the key: a fault for a server, and none for a command that charges nobody. */
export function keyFaults({ provider, stripe, settings }: PaymentsConfig): string[] {
  if (provider !== 'stripe') return []
  if (!stripe) return ['STRIPE_SECRET_KEY: must be set where payments.provider is stripe']
  // Test money of Stripe must never become a live balance.
  return stripe.environment === 'live' ? [] : liveOnes(settings, 'needs a live STRIPE_SECRET_KEY')
}

interface StripeEnvironment {
  STRIPE_SECRET_KEY?: string | undefined
  STRIPE_API_URL: string
}

function environmentOf(key: string): 'test' | 'live' {
  return KEY.exec(key)?.[1] === 'live' ? 'live' : 'test'
}

function liveOnes(settings: readonly RechargeSettings[], why: string): string[] {
  return settings.flatMap(({ tenant: { workspaceId, environment } }) =>
    environment === 'live' ? `config file: payments.workspaces.${workspaceId}.live: ${why}` : [],
  )
}
