// The timeline of a call, in the order in which it was written.
import { assert } from '@saperly/kernel'
import { instant, json } from './columns.ts'
import type { EventRow, Tables } from './port.ts'
import type { Sql } from './sql.ts'

/** The most events that one read returns; whoever wants more asks for those after the last. */
export const EVENTS_MAX = 10_000

/** Only of a call that the process still runs; locked, so that nobody takes it over before this is committed. */
export function ifRun(runBy: string | null | undefined, slot: string): string {
  return runBy === undefined ? '' : `and process_id is not distinct from ${slot} for share`
}

export function events(sql: Sql): Tables['events'] {
  return {
    async append(row, runBy) {
      const added = await sql.count(
        `insert into call_event (workspace_id, environment, call_id, id, type, at, data)
         select workspace_id, environment, id, $2, $3, $4, $5 from call where id = $1 ${ifRun(runBy, '$6')}
         on conflict (workspace_id, environment, call_id, id) do nothing`,
        [
          row.callId,
          row.id,
          row.type,
          instant(row.at),
          json(row.data),
          ...(runBy === undefined ? [] : [runBy]),
        ],
      )
      if (added === 1 || runBy !== undefined) return
      const [known] = await sql.rows('select 1 from call_event where call_id = $1 and id = $2', [
        row.callId,
        row.id,
      ])
      assert(known, 'an event belongs to a call that exists')
    },
    list: (callId, afterId) =>
      sql.rows<EventRow>(
        `select id, call_id, type, at, data from call_event
         where call_id = $1 and seq > coalesce(
           (select seq from call_event where call_id = $1 and id = $2), 0)
         order by seq limit ${EVENTS_MAX}`,
        [callId, afterId],
      ),
  }
}
