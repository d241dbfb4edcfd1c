// What a desk and a switchboard in different processes say to each other, as it is read at the border.
import {
  type BrainFrame,
  DirectiveSchema,
  ErrorFrame,
  type ManualEvent,
  manualEvents,
  MAX_DIRECTIVES,
  ReadyFrame,
  type ServerFrame,
} from '@saperly/contract'
import { z } from 'zod'
import type { Question, Topic } from '../bus/messenger.ts'

const id = z.string().min(1).max(100)
const directives = z.array(DirectiveSchema).max(MAX_DIRECTIVES)

const brainFrame: z.ZodType<BrainFrame> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answer'), requestId: z.string(), directives }),
  z.object({ kind: z.literal('unasked'), callId: z.string(), directives }),
])

const event = z.union(Object.values(manualEvents)) as z.ZodType<ManualEvent>
const serverFrame: z.ZodType<ServerFrame> = z.union([ReadyFrame, ErrorFrame, event])

/** From the switchboard: its sockets, and what was heard on them. */
export const fromBoard = z.discriminatedUnion('type', [
  z.object({ type: z.literal('opened'), line: id }),
  z.object({ type: z.literal('closed'), line: id }),
  z.object({ type: z.literal('heard'), line: id, frame: brainFrame }),
])
export type FromBoard = z.output<typeof fromBoard>

/** From the desk: what goes out on a line; or it needs none any more. */
export const fromDesk = z.discriminatedUnion('type', [
  z.object({ type: z.literal('send'), line: id, frame: serverFrame }),
  z.object({ type: z.literal('leave') }),
])
export type FromDesk = z.output<typeof fromDesk>

/** Under the id of a connection: who has sockets of it? They then open a channel to the desk, under `word`. */
export const whoHasSockets: Question<
  { desk: string; word: string; known: string[] },
  { hoped: boolean }
> = {
  name: 'who',
  schema: z.object({ desk: id, word: id, known: z.array(id).max(1_000) }),
  answer: z.object({ hoped: z.boolean() }),
}

/** Under the id of a connection: a socket of it has opened in this process. */
export const socketOpened: Topic<{ processId: string }> = {
  name: 'socket',
  schema: z.object({ processId: id }),
}
