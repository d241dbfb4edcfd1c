// What is looked up for a trunk: its host as the resolver takes it, and what our sockets can reach.
import { isIPv6 } from 'node:net'
import type { Protocol } from '../sip/hop.ts'
import type { Target } from '../sip/resolver.ts'
import { hostOf } from './names.ts'
import type { TrunkSettings } from './settings.ts'
import { serverNameOf } from './tls.ts'

/** The target that an address of a trunk stands for: its own, or that of its registrar. */
export function targetOf(settings: TrunkSettings, address: string): Target {
  const { transport } = settings
  const protocol = transport === 'auto' ? null : (transport.toUpperCase() as Protocol)
  const secure = protocol === 'TLS'
  const named = secure || protocol === null
  const serverName = named ? serverNameOf({ ...settings, address }) : null
  return { ...hostOf(address), protocol, secure, serverName }
}

/** The address families that a socket which is bound there can reach, in order of preference. */
export function familiesOf(bound: string): readonly (4 | 6)[] {
  if (isIPv6(bound)) return bound === '::' ? [4, 6] : [6]
  return [4]
}
