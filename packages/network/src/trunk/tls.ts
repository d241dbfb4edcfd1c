// How TLS peers are dealt with: by the name that they must prove, as the trunk says that has it.
import { isIPv6 } from 'node:net'
import { DEFAULT_TLS_CLIENT } from '../sip/tls.ts'
import type { TlsClientSettings } from '../sip/tls.ts'
import { hostOf } from './names.ts'
import type { TrunkSettings } from './settings.ts'

/** What a TLS peer of a trunk has to prove to be: a name or an IPv4 address; null for an IPv6 address, as it is. */
export function serverNameOf(trunk: Pick<TrunkSettings, 'tls' | 'address'>): string | null {
  const { host } = hostOf(trunk.address)
  return trunk.tls?.serverName?.toLowerCase() ?? (isIPv6(host) ? null : host.toLowerCase())
}

/** The settings for a peer of that name; the system's authorities decide about one that no trunk speaks of. */
export function tlsClients(
  trunks: readonly TrunkSettings[],
): (serverName: string | null) => TlsClientSettings {
  const known = new Map<string, TlsClientSettings>()
  for (const trunk of trunks) {
    // Its registrar is trusted as the trunk is.
    for (const address of [trunk.address, trunk.register?.registrar ?? trunk.address]) {
      const name = serverNameOf({ ...trunk, address })
      if (trunk.tls && name !== null) known.set(name, trunk.tls)
    }
  }
  return (serverName) => known.get(serverName?.toLowerCase() ?? '') ?? DEFAULT_TLS_CLIENT
}
