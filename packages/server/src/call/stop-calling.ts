// The peer of a call wants no more calls: its consent ends and the opt-out is recorded, in one transaction.
import { revokeConsent } from '../consent/consent.ts'
import { optOut } from '../consent/opt-out.ts'
import type { CallRow } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { persist } from './timeline.ts'

/** Records that the peer said so, or pressed the digit. */
export async function stopCalling(
  deps: CallDeps,
  call: CallRow,
  how: { text: string } | { digit: string },
): Promise<void> {
  const { store, ids, clock, committed } = deps
  const { workspaceId, environment, direction, numberId } = call
  const tenant = { workspaceId, environment }
  const peerNumber = direction === 'outbound' ? call.to : call.from
  const source = 'digit' in how ? 'digit' : 'speech'
  const peer = { tenant, peerNumber, actor: 'peer' as const, at: clock.now() }
  await persist(deps, () =>
    store.transaction(async (tables) => {
      await revokeConsent(tables, ids, { ...peer, numberId, optOut: false })
      await optOut(tables, ids, { ...peer, source })
    }),
  )
  committed()
}
