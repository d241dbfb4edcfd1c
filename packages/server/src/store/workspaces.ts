// Workspaces: a tenant comes into being with an account and some credit in each environment.
import type { Ids } from '@saperly/kernel'
import { insertion, instant } from './columns.ts'
import type { Tables, WorkspaceRow } from './port.ts'
import { type Sql, first } from './sql.ts'

/** Credit of a fresh workspace, in each environment. */
export const WELCOME_CREDIT_CENTS = 500

const FIELDS = ['id', 'name', 'createdAt'] as const

/** `maxLiveCalls`: the limit on live calls that each of a new workspace's accounts gets. */
export function workspaces(sql: Sql, ids: Ids, maxLiveCalls: number): Tables['workspaces'] {
  return {
    create: (row) =>
      sql.atomic(async (tx) => {
        const insert = insertion<WorkspaceRow>('workspace', FIELDS, row)
        await tx.count(insert.text, insert.values)
        for (const environment of ['test', 'live']) {
          await tx.count(
            'insert into account (workspace_id, environment, max_open_holds) values ($1, $2, $3)',
            [row.id, environment, maxLiveCalls],
          )
          await tx.rows(`select ledger_top_up($1, $2, $3, $4, 'welcome credit', $5)`, [
            row.id,
            environment,
            ids.next('txn'),
            WELCOME_CREDIT_CENTS,
            instant(row.createdAt),
          ])
        }
      }),
    get: async (id) =>
      first(
        await sql.rows<WorkspaceRow>('select id, name, created_at from workspace where id = $1', [
          id,
        ]),
      ),
    list: () =>
      sql.rows<WorkspaceRow>('select id, name, created_at from workspace order by id desc'),
  }
}
