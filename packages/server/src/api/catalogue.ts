// The routes of what can be had: prices of numbers, voices, languages.
import { DEFAULT_COUNTRY, DEFAULT_NUMBER_TYPE, failure } from '@saperly/contract'
import { fail, ok } from '@saperly/kernel'
import type { HandlersFor } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { CURRENCY } from './wire.ts'

export function catalogueHandlers({
  inventory,
  voices,
}: ApiDeps): HandlersFor<'getQuote' | 'listVoices' | 'listLanguages'> {
  const languageName = new Intl.DisplayNames(['en'], { type: 'language' })
  return {
    getQuote: async ({ query, context }) => {
      const country = query.country ?? DEFAULT_COUNTRY
      const numberType = query.numberType ?? DEFAULT_NUMBER_TYPE
      const monthlyPriceCents = await inventory.quote(context.tenant, country, numberType)
      if (monthlyPriceCents === null)
        return fail(failure('NoNumbersAvailable', { country, numberType }))
      return ok({ country, numberType, monthlyPriceCents, currency: CURRENCY })
    },

    listVoices: async ({ query }) => {
      const spoken = voices().filter((voice) => speaks(voice.language, query.language))
      return ok(spoken.map(({ id, name, gender, language }) => ({ id, name, gender, language })))
    },

    listLanguages: async () => {
      const codes = [...new Set(voices().map((voice) => voice.language))].toSorted()
      return ok(codes.map((code) => ({ code, name: languageName.of(code) ?? code })))
    },
  }
}

/** `en` asks for every English, `en-US` for that one. */
function speaks(language: string, wanted: string | undefined): boolean {
  if (wanted === undefined) return true
  const spoken = language.toLowerCase()
  const asked = wanted.toLowerCase()
  return spoken === asked || spoken.startsWith(`${asked}-`)
}
