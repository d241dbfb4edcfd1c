// The signalling of ended calls: written once, read for support, and forgotten after a while.
import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import type { TracedMessage } from '@saperly/network'
import { instant } from './columns.ts'
import type { Tables } from './port.ts'
import { first, type Sql } from './sql.ts'

/** How long signalling is kept after the end of its call. */
export const SIGNALLING_KEPT_MS = 30 * 24 * 3_600_000
/** Expired ones that go with each new one: more than come, so that none stays. */
const PURGED_AT_ONCE = 10
/** Characters of all messages of one call; what comes after is not kept. */
const MAX_CHARACTERS = 1_000_000

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)

export function signalling(sql: Sql): Tables['signalling'] {
  return {
    async keep(callId, messages, at) {
      const packed = await deflate(JSON.stringify(bounded(messages)))
      await sql.count(
        `insert into call_signalling (workspace_id, environment, call_id, messages, kept_at)
         select workspace_id, environment, id, $2, $3 from call where id = $1
         on conflict (call_id) do nothing`,
        [callId, packed, instant(at)],
      )
      await sql.count(
        `delete from call_signalling where call_id in (
           select call_id from call_signalling where kept_at < $1
           order by kept_at limit ${PURGED_AT_ONCE} for update skip locked)`,
        [instant(at - SIGNALLING_KEPT_MS)],
      )
    },
    async get(callId, at) {
      const row = first(
        await sql.rows<{ messages: Buffer }>(
          'select messages from call_signalling where call_id = $1 and kept_at >= $2',
          [callId, instant(at - SIGNALLING_KEPT_MS)],
        ),
      )
      if (!row) return []
      return JSON.parse((await inflate(row.messages)).toString('utf8')) as TracedMessage[]
    },
  }
}

function bounded(messages: readonly TracedMessage[]): readonly TracedMessage[] {
  let characters = 0
  const end = messages.findIndex(({ text }) => (characters += text.length) > MAX_CHARACTERS)
  return end < 0 ? messages : messages.slice(0, end)
}
