// How TLS peers are dealt with: by the name that they must prove, as the trunk says that has it.
import { DEFAULT_TLS_CLIENT } from '../sip/tls.ts'
import type { TlsClientSettings } from '../sip/tls.ts'
import { hostOf } from './names.ts'
import type { TrunkSettings } from './settings.ts'

/** What a TLS peer of a trunk has to show itself as: a name, or its address. */
export function serverNameOf({ tls, address }: TrunkSettings): string {
  return (tls?.serverName ?? hostOf(address).host).toLowerCase()
}

/** The settings for a peer of that name; the system's authorities decide about one that no trunk speaks of. */
export function tlsClients(
  trunks: readonly TrunkSettings[],
): (serverName: string | null) => TlsClientSettings {
  const known = new Map<string, TlsClientSettings>()
  for (const trunk of trunks) {
    if (trunk.tls) known.set(serverNameOf(trunk), trunk.tls)
    // Its registrar is trusted as the trunk is.
    const registrar = trunk.register?.registrar
    if (trunk.tls && registrar) known.set(hostOf(registrar).host.toLowerCase(), trunk.tls)
  }
  return (serverName) => known.get(serverName?.toLowerCase() ?? '') ?? DEFAULT_TLS_CLIENT
}
