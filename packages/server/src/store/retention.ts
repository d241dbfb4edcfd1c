// What is old enough to be forgotten, in every tenant, a bounded number of rows at a time, oldest first.
import { idFloor } from '@saperly/kernel'
import { instant } from './columns.ts'
import type { Tables } from './port.ts'
import { redactWords } from './redaction.ts'
import type { Sql } from './sql.ts'

export function retention(sql: Sql): Tables['retention'] {
  return {
    recordings: (endedBefore, limit) =>
      sql.rows<{ id: string; path: string }>(
        `select id, recording_path as path from call
         where recording_path is not null and ended_at < $1 order by ended_at limit $2`,
        [instant(endedBefore), limit],
      ),
    async forgetRecordings(callIds) {
      await sql.count('update call set recording_path = null where id = any($1)', [callIds])
    },
    forgetTranscripts: (endedBefore, limit) =>
      sql.atomic(async (tx) => {
        const calls = await tx.rows<{ id: string }>(
          `select id from call where has_transcript and ended_at < $1
           order by ended_at limit $2 for update skip locked`,
          [instant(endedBefore), limit],
        )
        if (calls.length > 0)
          await redactWords(
            tx,
            calls.map((call) => call.id),
          )
        return calls.length
      }),
    forgetSignalling: (keptBefore, limit) =>
      sql.count(
        `delete from call_signalling where call_id in (
           select call_id from call_signalling where kept_at < $1
           order by kept_at limit $2 for update skip locked)`,
        [instant(keptBefore), limit],
      ),
    // The ids of calls tell when they were placed, so that the index by call finds the oldest events.
    forgetEvents: (before, limit) =>
      sql.count(
        `delete from call_event where (call_id, seq) in (
           select call_id, seq from call_event where call_id < $1 and at < $2
           order by call_id, seq limit $3)`,
        [idFloor('call', before), instant(before), limit],
      ),
  }
}
