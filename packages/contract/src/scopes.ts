// What a key may do: seventeen scopes, and the three coarse words that stand for bundles of them.

export const scopes = [
  'calls:create',
  'calls:control',
  'calls:read',
  'messages:create',
  'messages:read',
  'consent:read',
  'audit:read',
  'numbers:read',
  'numbers:provision',
  'numbers:release',
  'numbers:write',
  'connections:read',
  'connections:write',
  'consent:write',
  'webhooks:write',
  'billing:read',
  'keys:admin',
] as const

export type Scope = (typeof scopes)[number]

/** Accepted when a key is minted, never stored: a key carries what they stand for. */
export const scopeBundles = {
  read: scopes.filter((scope) => scope.endsWith(':read')),
  write: scopes.filter((scope) => scope !== 'keys:admin'),
  admin: [...scopes],
} as const satisfies Record<string, readonly Scope[]>

export type ScopeBundle = keyof typeof scopeBundles

/** What may stand in the `scopes` of a minted key. */
export type ScopeWord = Scope | ScopeBundle

export const scopeWords: readonly ScopeWord[] = [...scopes, 'read', 'write', 'admin']

/** The scopes that words stand for, each once, in the order of `scopes`. */
export function expandScopes(words: readonly ScopeWord[]): Scope[] {
  const granted = new Set<Scope>(
    words.flatMap((word) => (isBundle(word) ? scopeBundles[word] : [word])),
  )
  return scopes.filter((scope) => granted.has(scope))
}

function isBundle(word: ScopeWord): word is ScopeBundle {
  return Object.hasOwn(scopeBundles, word)
}
