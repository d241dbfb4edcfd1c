// What was said in a call, taken out of it: the turns go, and the events of the timeline lose their words.
import type { Sql } from './sql.ts'

/** What stands where a person's number stood. No number is spelled so. */
export const ERASED = 'erased'

/** Fields of an event's data that hold what somebody said, wrote or pressed, and what is left of each. */
const WORDS = `array['text', 'heard', 'digits']`

/** Deletes the turns of the calls and empties the words of their events; types, times and latencies stay. */
export async function redactWords(sql: Sql, callIds: readonly string[]): Promise<void> {
  await sql.count('delete from call_turn where call_id = any($1)', [callIds])
  await sql.count(
    `update call_event set data = data
       || coalesce((select jsonb_object_agg(k, '') from jsonb_object_keys(data) k where k = any(${WORDS})), '{}')
       || case when data ? 'heardText' then '{"heardText": null}'::jsonb else '{}' end
     where call_id = any($1) and data ?| (${WORDS} || array['heardText'])`,
    [callIds],
  )
  await sql.count('update call set has_transcript = false where id = any($1) and has_transcript', [
    callIds,
  ])
}
