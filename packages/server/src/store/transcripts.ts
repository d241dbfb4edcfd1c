// What was said in a call, turn by turn.
import { assert } from '@saperly/kernel'
import { columns, insertion } from './columns.ts'
import { ifRun } from './events.ts'
import type { Tables, Tenant, TurnRow } from './port.ts'
import { type Sql, first } from './sql.ts'

/** The most turns that one read returns: four hours at one turn a second. */
const TURNS_MAX = 14_400

const FIELDS = [
  'callId',
  'position',
  'role',
  'text',
  'heardText',
  'startedAt',
  'endedAt',
  'interrupted',
] as const satisfies readonly (keyof TurnRow)[]

export function transcripts(sql: Sql): Tables['transcripts'] {
  return {
    async append(row, runBy) {
      await sql.atomic(async (own) => {
        const call = first(
          await own.rows<Tenant>(
            `select workspace_id, environment from call where id = $1 ${ifRun(runBy, '$2')}`,
            [row.callId, ...(runBy === undefined ? [] : [runBy])],
          ),
        )
        if (!call && runBy !== undefined) return
        assert(call, 'a turn belongs to a call that exists')
        const insert = insertion<TurnRow & Tenant>(
          'call_turn',
          ['workspaceId', 'environment', ...FIELDS],
          { ...call, ...row },
        )
        await own.count(`${insert.text} on conflict do nothing`, insert.values)
      })
    },
    async count(callId) {
      const [answer] = await sql.rows<{ count: number }>(
        'select count(*) as count from call_turn where call_id = $1',
        [callId],
      )
      return answer!.count
    },
    list: (callId) =>
      sql.rows<TurnRow>(
        `select ${columns(FIELDS)} from call_turn where call_id = $1
         order by position limit ${TURNS_MAX}`,
        [callId],
      ),
  }
}
