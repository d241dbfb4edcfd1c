// `saperly keys`: lists, mints and revokes keys of the workspace that the own key belongs to.
import type { Key, MintKeyBody } from '@saperly/sdk'
import { clientOf } from '../client.ts'
import { type Command, wholeNumber } from '../command.ts'
import { dollars } from '../terminal.ts'

const json = { json: { says: 'print JSON' } } as const

export const keysList: Command = {
  words: 'keys list',
  says: 'List the keys of the workspace.',
  options: json,
  async run(given, around) {
    const { terminal } = around
    const keys: Key[] = []
    for await (const key of clientOf(around).saperly.keys.list()) keys.push(key)
    if (given.flag('json')) return terminal.json(keys)
    terminal.table(
      ['id', 'name', 'token', 'cap', 'spent', 'last used', 'state'],
      keys.map((key) => [
        key.id,
        key.name,
        `${key.prefix}…`,
        capOf(key),
        dollars(key.spentThisPeriodCents),
        key.lastUsedAt?.slice(0, 16) ?? 'never',
        key.revokedAt === null ? 'good' : 'revoked',
      ]),
    )
  },
}

function capOf({ spendLimitCents, spendLimitResetPeriod }: Key): string {
  if (spendLimitCents === null) return 'none'
  return `${dollars(spendLimitCents)}${spendLimitResetPeriod === null ? '' : ' a month'}`
}

export const keysCreate: Command = {
  words: 'keys create',
  takes: ['<name>'],
  says: 'Mint a key. Its token is printed this once.',
  options: {
    scopes: {
      value: '<list>',
      says: 'scopes, or read, write, admin; with commas (default: write)',
    },
    numbers: { value: '<list>', says: 'ids of the only numbers that it may see, with commas' },
    cap: { value: '<cents>', says: 'the most that it may spend' },
    monthly: { says: 'the cap is for each month, not for the key’s life' },
    expires: { value: '<time>', says: 'ISO 8601, such as 2027-01-31T12:00:00Z' },
    ...json,
  },
  async run(given, around) {
    const { terminal } = around
    const cap = given.option('cap')
    const minted = await clientOf(around).saperly.keys.mint({
      name: given.argument('name'),
      // What is no scope the server says, with the whole list.
      scopes: listed(given.option('scopes') ?? 'write') as MintKeyBody['scopes'],
      numberScope: given.option('numbers') ? listed(given.option('numbers') ?? '') : null,
      spendLimitCents: cap === undefined ? null : wholeNumber(cap, '--cap'),
      spendLimitResetPeriod: given.flag('monthly') ? 'monthly' : null,
      expiresAt: given.option('expires') ?? null,
    })
    if (given.flag('json')) return terminal.json(minted)
    terminal.line(`${minted.id}  ${minted.name}`)
    terminal.line(minted.token ?? '')
  },
}

function listed(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

export const keysRevoke: Command = {
  words: 'keys revoke',
  takes: ['<id>'],
  says: 'Revoke a key, and every key that was minted with it.',
  async run(given, around) {
    const revoked = await clientOf(around).saperly.keys.revoke(given.argument('id'))
    around.terminal.line(`${revoked.id} is revoked`)
  },
}
