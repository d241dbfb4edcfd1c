// The processes that share this database: who is alive, until when, and who has been given up.
import { columns, instant } from './columns.ts'
import type { ProcessRow, Tables } from './port.ts'
import type { Sql } from './sql.ts'

const FIELDS = [
  'id',
  'role',
  'startedAt',
  'beatAt',
  'leaseUntil',
  'lostAt',
] as const satisfies readonly (keyof ProcessRow)[]

/** The end of a lease of so many milliseconds; the clock is read now, not when the transaction began. */
const leaseOf = (slot: string): string => `clock_timestamp() + ${slot} * interval '1 millisecond'`

const UNFINISHED = `select 1 from call where process_id = process.id and state <> 'ended'`

export function processes(sql: Sql): Tables['processes'] {
  return {
    async join({ id, role, at }, leaseMs) {
      await sql.count(
        `insert into process (id, role, started_at, beat_at, lease_until)
         values ($1, $2, $3, $3, ${leaseOf('$4')})`,
        [id, role, instant(at), leaseMs],
      )
    },
    async beat(id, at, leaseMs) {
      const renewed = await sql.count(
        `update process set beat_at = $2, lease_until = ${leaseOf('$3')}
         where id = $1 and lost_at is null`,
        [id, instant(at), leaseMs],
      )
      return renewed === 1
    },
    async leave(id) {
      // The last beat of a process with calls is kept until they are billed.
      await sql.count(
        `update process set lost_at = clock_timestamp() where id = $1 and exists (${UNFINISHED})`,
        [id],
      )
      await sql.count(`delete from process where id = $1 and not exists (${UNFINISHED})`, [id])
    },
    async declareLost(by, whom) {
      const lost = await sql.rows<{ id: string }>(
        `update process set lost_at = clock_timestamp()
         where lost_at is null and id <> $1 and ($2 or lease_until < clock_timestamp()) returning id`,
        [by, whom === 'all'],
      )
      return lost.map(({ id }) => id).toSorted()
    },
    async forget() {
      await sql.count(
        `delete from process where lost_at is not null and not exists (${UNFINISHED})`,
      )
    },
    list: () => sql.rows<ProcessRow>(`select ${columns(FIELDS)} from process order by id`),
  }
}
