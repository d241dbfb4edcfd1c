// Erases one person from a workspace: recordings, texts and numbers go; money, and the proof of the trail, stay.
import { rm } from 'node:fs/promises'
import { fail, ok, type Ids, type Result } from '@saperly/kernel'
import type { ErasedCounts, Store, Tenant } from '../store/port.ts'

export interface Erased extends ErasedCounts {
  recordings: number
}

/**
 * Erases the person with this E.164 number from one tenant, and notes in the trail that it was done, under a name that
 * doesn't tell the number. Files go first: what is cut short leaves rows without files, never files without rows.
 * Fails with `on_call` while a call with the person is live.
 */
export async function erasePerson(
  store: Store,
  ids: Ids,
  { tenant, peerNumber, at }: { tenant: Tenant; peerNumber: string; at: number },
): Promise<Result<Erased, 'on_call'>> {
  const { erasure, audit, consent } = store.tables
  if (await erasure.isOnCall(tenant, peerNumber)) return fail('on_call')
  const paths = await erasure.recordings(tenant, peerNumber)
  for (const path of paths) await rm(path, { force: true })
  const erased = { recordings: paths.length, ...(await erasure.erase(tenant, peerNumber, at)) }
  await audit.append({
    ...tenant,
    id: ids.next('aud'),
    eventType: 'peer.erased',
    targetType: 'peer',
    targetId: consent.pseudonym(tenant, peerNumber),
    actor: 'operator',
    data: { ...erased },
    createdAt: at,
  })
  return ok(erased)
}
