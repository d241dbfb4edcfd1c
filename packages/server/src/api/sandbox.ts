// The route of the sandbox: one of its phones calls in.
import { failure } from '@saperly/contract'
import { fail, ok } from '@saperly/kernel'
import { seeActiveNumber } from './access.ts'
import type { HandlersFor } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { callWire } from './wire.ts'

export function sandboxHandlers({ calls, store }: ApiDeps): HandlersFor<'placeSandboxCall'> {
  return {
    placeSandboxCall: async ({ body, context }) => {
      const { key } = context
      if (key.environment !== 'test')
        return fail(
          failure('AuthorizationDenied', { reason: 'the sandbox’s phones call test numbers only' }),
        )
      const number = await seeActiveNumber(store.tables, context, body.toNumberId)
      if (!number.ok) return number
      const { from, toNumberId } = body
      const called = await calls.sandboxCall({ key, from, toNumberId, script: body.script ?? null })
      return called.ok ? ok(callWire(called.value)) : called
    },
  }
}
