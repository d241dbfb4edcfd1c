// What only the operator does, directly on the database: workspaces, money, imported numbers, and the proof of the ledger.
import {
  type Config,
  DEFAULT_WORKSPACE,
  openOperator,
  type Operator,
  readConfig,
} from '@saperly/server'
import {
  type Command,
  type Given,
  type Option,
  type Surroundings,
  UsageError,
  wholeNumber,
} from '../command.ts'
import { dollars } from '../terminal.ts'

export const whose = {
  workspace: { value: '<id>', says: `the workspace (default: ${DEFAULT_WORKSPACE})` },
  live: { says: 'in the live environment (default: test)' },
} as const satisfies Record<string, Option>

export function tenantOf(given: Given) {
  const environment = given.flag('live') ? 'live' : 'test'
  return { workspaceId: given.option('workspace') ?? DEFAULT_WORKSPACE, environment } as const
}

/** What the database says of itself is no business of a command's; what is wrong comes as an error. */
export function configOf({
  environment,
  directory,
}: Pick<Surroundings, 'environment' | 'directory'>): Config {
  return readConfig({ ...environment, LOG_LEVEL: environment['LOG_LEVEL'] ?? 'error' }, directory)
}

export async function withOperator<T>(
  { environment, directory }: Surroundings,
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const operator = await openOperator(configOf({ environment, directory }))
  try {
    return await work(operator)
  } finally {
    await operator.close()
  }
}

export const workspacesList: Command = {
  words: 'workspaces list',
  says: 'List the workspaces and their balances.',
  async run(_, around) {
    const rows = await withOperator(around, (operator) => operator.workspaces())
    around.terminal.table(
      ['id', 'name', 'test', 'live'],
      rows.map(({ id, name, balanceCents }) => [
        id,
        name,
        dollars(balanceCents.test),
        dollars(balanceCents.live),
      ]),
    )
  },
}

export const workspacesCreate: Command = {
  words: 'workspaces create',
  takes: ['<name>'],
  says: 'Create a workspace, and print its keys, this once.',
  options: { json: { says: 'print JSON' } },
  async run(given, around) {
    const { terminal } = around
    const made = await withOperator(around, (operator) =>
      operator.createWorkspace(given.argument('name')),
    )
    if (given.flag('json')) return terminal.json(made)
    terminal.line(made.workspaceId)
    terminal.line(`  test  ${made.keys.test}`)
    terminal.line(`  live  ${made.keys.live}`)
  },
}

export const topup: Command = {
  words: 'topup',
  takes: ['<cents>'],
  says: 'Add money to the balance of a workspace.',
  options: whose,
  async run(given, around) {
    const cents = wholeNumber(given.argument('cents'), '<cents>', 1)
    const tenant = tenantOf(given)
    const { balanceCents } = await withOperator(around, (operator) => operator.topUp(tenant, cents))
    around.terminal.line(
      `${tenant.workspaceId} (${tenant.environment}) has ${dollars(balanceCents)} now`,
    )
  },
}

export const numbersImport: Command = {
  words: 'numbers import',
  takes: ['<number>'],
  says: 'Make a number of your own carrier one of a workspace.',
  options: whose,
  async run(given, around) {
    const number = given.argument('number')
    if (!/^\+[1-9]\d{6,14}$/.test(number)) {
      throw new UsageError('<number> must be an E.164 number such as +15551234567')
    }
    const tenant = tenantOf(given)
    const { numberId } = await withOperator(around, (operator) =>
      operator.importNumber(tenant, number),
    )
    around.terminal.line(
      `${numberId}: ${number} belongs to ${tenant.workspaceId} (${tenant.environment})`,
    )
  },
}

export const ledgerVerify: Command = {
  words: 'ledger verify',
  says: 'Prove that every balance, hold and cap is the sum of its postings.',
  run: (_, around) => proof(around, 'the ledger adds up', (operator) => operator.verifyLedger()),
}

export async function proof(
  around: Surroundings,
  good: string,
  check: (operator: Operator) => Promise<string[]>,
): Promise<number> {
  return verdict(around, good, await withOperator(around, check))
}

/** Prints what is wrong, or that nothing is; the exit code. */
export function verdict(around: Surroundings, good: string, problems: readonly string[]): number {
  for (const problem of problems) around.terminal.error(problem)
  if (problems.length === 0) around.terminal.line(good)
  return problems.length === 0 ? 0 : 1
}
