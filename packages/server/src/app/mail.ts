// What goes out and what is kept: webhooks, the audit chain, retention.
import { AuditChainer } from '../audit/chainer.ts'
import { Retention } from '../privacy/retention.ts'
import { Deliverer } from '../webhook/deliver.ts'
import type { Ground } from './ground.ts'

/** Said after a commit: something waits for its place in the audit chain; or deliveries are due, too. */
export interface Committed {
  committed: () => void
  emitted: () => void
}

/** Webhooks, the audit chain and retention; where customers don't come in, others are told to see to them. */
export function openMail(ground: Ground): Committed & { start: () => void } {
  const { config, store, clock, log, member, closers } = ground
  if (config.role === 'network') {
    const tell = (): void => member?.tellCommitted()
    return { committed: tell, emitted: tell, start: () => {} }
  }
  const deliverer = new Deliverer(ground)
  const chainer = new AuditChainer({ store, clock, log })
  const retention = new Retention({ store, clock, log, days: config.retention })
  closers.push(
    () => chainer.close(),
    () => retention.close(),
    () => deliverer.close(),
  )
  const committed = (): void => chainer.wake()
  const emitted = (): void => {
    deliverer.wake()
    chainer.wake()
  }
  member?.onCommitted(emitted)
  const start = (): void => {
    deliverer.start()
    chainer.start()
    retention.start()
    emitted()
  }
  return { committed, emitted, start }
}
