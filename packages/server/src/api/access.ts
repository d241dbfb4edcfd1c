// The one place that says what a key may see. What is of another workspace, of the other environment or outside the
// key's allow-list of numbers is not there, in exactly the words of what does not exist.
import { failure, isPlausibleId, type FailureOf } from '@saperly/contract'
import { fail, ok, type Result } from '@saperly/kernel'
import type { CallRow, ConnectionRow, NumberRow, Tables, WebhookRow } from '../store/port.ts'
import type { KeyedContext } from './context.ts'

type Who = Pick<KeyedContext, 'key' | 'tenant'>

/** Whether the key's allow-list, if it has one, names the number. */
export function mayUseNumber({ key }: Pick<Who, 'key'>, numberId: string): boolean {
  return key.numberScope === null || key.numberScope.includes(numberId)
}

/** A number that the key can see, released ones included. */
export async function seeNumber(
  tables: Tables,
  who: Who,
  numberId: string,
): Promise<Result<NumberRow, FailureOf<'NumberNotFound'>>> {
  const missing = fail(failure('NumberNotFound', { numberId }))
  if (!isPlausibleId(numberId) || !mayUseNumber(who, numberId)) return missing
  const row = await tables.numbers.get(who.tenant, numberId)
  return row ? ok(row) : missing
}

/** A number that the key can see and use: not released. */
export async function seeActiveNumber(
  tables: Tables,
  who: Who,
  numberId: string,
): Promise<Result<NumberRow, FailureOf<'NumberNotFound'>>> {
  const number = await seeNumber(tables, who, numberId)
  if (!number.ok || number.value.releasedAt === null) return number
  return fail(failure('NumberNotFound', { numberId }))
}

export async function seeConnection(
  tables: Tables,
  who: Who,
  id: string,
): Promise<Result<ConnectionRow, FailureOf<'ConnectionNotFound'>>> {
  const missing = fail(failure('ConnectionNotFound', { id }))
  if (!isPlausibleId(id)) return missing
  const row = await tables.connections.get(who.tenant, id)
  return row && row.deletedAt === null ? ok(row) : missing
}

/** A call on a number that the key can see. */
export async function seeCall(
  tables: Tables,
  who: Who,
  callId: string,
): Promise<Result<CallRow, FailureOf<'CallNotFound'>>> {
  const missing = fail(failure('CallNotFound', { callId }))
  if (!isPlausibleId(callId)) return missing
  const row = await tables.calls.get(who.tenant, callId)
  return row && mayUseNumber(who, row.numberId) ? ok(row) : missing
}

/** A webhook endpoint of the tenant. Events of every number go there, so a key with an allow-list sees none. */
export async function seeWebhook(
  tables: Tables,
  who: Who & { path: string },
  id: string,
): Promise<Result<WebhookRow, FailureOf<'NotFound'>>> {
  const missing = fail(failure('NotFound', { path: who.path }))
  if (!isPlausibleId(id) || who.key.numberScope !== null) return missing
  const row = await tables.webhooks.get(who.tenant, id)
  return row && row.deletedAt === null ? ok(row) : missing
}
