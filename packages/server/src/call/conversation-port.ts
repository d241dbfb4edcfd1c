// What a conversation needs of the session around it, and what it is about.
import type { HangupCause } from '@saperly/contract'
import type { Clock, Ids } from '@saperly/kernel'
import type { TalkCommand } from '@saperly/network'
import type { Brain } from '../brain/port.ts'
import type { CallPlan } from './plan.ts'
import type { CallLog } from './timeline.ts'

/** What the conversation asks of the session around it. */
export interface ConversationHooks {
  /** Puts work into the session's order; resolves when it has been done. */
  enqueue: (step: () => unknown) => Promise<unknown>
  /** Runs a child of the call's scope. */
  fork: (name: string, body: () => Promise<void>) => void
  /** Puts work into the session's order, `delayMs` from now; not once the call is over. */
  after: (delayMs: number, step: () => unknown) => void
  post: (command: TalkCommand) => void
  hangUp: (cause: HangupCause) => void
  transfer: (to: string) => void
  /** The disclosure is over; `heard` is what the peer got of it. */
  disclosed: (text: string, heard: string) => void
  /** The peer wants no more calls. */
  optOut: (how: { text: string } | { digit: string }) => Promise<void>
}

export interface ConversationDeps {
  plan: CallPlan
  brain: Brain
  log: CallLog
  clock: Clock
  ids: Ids
  hooks: ConversationHooks
  /** The opening event's own fields. */
  opening: {
    direction: 'inbound' | 'outbound'
    from: string
    to: string
    instructions: string | null
  }
  callId: string
}
