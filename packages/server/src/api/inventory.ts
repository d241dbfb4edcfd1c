// Where numbers come from without a carrier's shop: sandbox numbers are made on the spot, live ones are imported.
import { failure, DEFAULT_COUNTRY, DEFAULT_NUMBER_TYPE } from '@saperly/contract'
import { fail, ok, type Ids, type Random, type Result } from '@saperly/kernel'
import type { NumberRow, Tables, Tenant } from '../store/port.ts'
import type { Inventory, NumberRefusal, NumberWish } from './deps.ts'

/** Every sandbox number begins so; the range is not assigned to anybody. */
const SANDBOX_PREFIX = '+1555'
const SANDBOX_PATTERN = /^\+1555\d{7}$/
/** The sandbox's own phones answer here. */
const SANDBOX_PHONES = /^\+155555501\d\d$/

/** Numbers that are made up lie between these, beyond the sandbox's phones. */
const FIRST_MADE = 5_560_000
const LAST_MADE = 9_999_999

/** Numbers that are tried before giving up: among millions the first is nearly always free. */
const MAX_ATTEMPTS = 20

export class SandboxInventory implements Inventory {
  readonly #ids: Ids
  readonly #random: Random

  constructor({ ids, random }: { ids: Ids; random: Random }) {
    this.#ids = ids
    this.#random = random
  }

  quote(tenant: Tenant, country: string, numberType: string): Promise<number | null> {
    return Promise.resolve(this.#sells(tenant, country, numberType) ? 0 : null)
  }

  async take(tables: Tables, wish: NumberWish): Promise<Result<NumberRow, NumberRefusal>> {
    const { country, numberType } = wish
    const none = fail(failure('NoNumbersAvailable', { country, numberType }))
    if (!this.#sells(wish.tenant, country, numberType)) return none
    for (const phoneNumber of this.#candidates(wish)) {
      const row = this.#rowOf(wish, phoneNumber)
      if (await tables.numbers.insert(row)) return ok(row)
    }
    return none
  }

  #sells({ environment }: Tenant, country: string, numberType: string): boolean {
    return (
      environment === 'test' && country === DEFAULT_COUNTRY && numberType === DEFAULT_NUMBER_TYPE
    )
  }

  /** The wanted number, or any. All sandbox numbers share one area code, so that wish is moot. */
  *#candidates({ phoneNumber }: NumberWish): Generator<string> {
    if (phoneNumber !== null) {
      if (SANDBOX_PATTERN.test(phoneNumber) && !SANDBOX_PHONES.test(phoneNumber)) yield phoneNumber
      return
    }
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
      yield `${SANDBOX_PREFIX}${this.#random.int(FIRST_MADE, LAST_MADE)}`
  }

  #rowOf(wish: NumberWish, phoneNumber: string): NumberRow {
    return {
      ...wish.tenant,
      id: this.#ids.next('num'),
      phoneNumber,
      connectionId: null,
      webhookUrl: null,
      smsSenderId: null,
      callerIdName: null,
      country: wish.country,
      numberType: wish.numberType,
      monthlyPriceCents: 0,
      nextChargeAt: null,
      releasedAt: null,
      createdAt: wish.at,
    }
  }
}
