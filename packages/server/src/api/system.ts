// The routes that need no key: is it alive, can it take calls, its figures, its contract as a document and as a page.
import { docs, endpoints, failure, openapi } from '@saperly/contract'
import { fail, liveScopes, ok } from '@saperly/kernel'
import type { OpenHandlers } from './context.ts'
import type { ApiDeps } from './deps.ts'
import type { ClientSockets } from './client-sockets.ts'
import type { Metrics } from './metrics.ts'
import type { Streams } from './sse.ts'

/** Of the interface, not of the server: two routes answer under the same version. */
const API_VERSION = '2.0.0'

export interface ServerState {
  readonly draining: boolean
  readonly metrics: Metrics
  readonly streams: Streams
  readonly sockets: ClientSockets
}

export function systemHandlers(deps: ApiDeps, state: ServerState): OpenHandlers {
  const { store, calls, clock } = deps
  const startedMs = clock.monotonicMs()
  // The public address may be known only when the port is open, so both are made at the first request.
  const info = () => ({ version: API_VERSION, serverUrl: deps.publicUrl() })
  let document: ReturnType<typeof openapi> | null = null
  let page: string | null = null
  return {
    getHealth: async () => ok({ status: 'ok' as const }),

    getReady: async () => {
      if (state.draining) return fail(failure('Unavailable', { reason: 'draining' }))
      // Any answer will do; a database that is away throws, and becomes Unavailable where all faults do.
      await store.tables.workspaces.get('ready')
      return ok({ status: 'ready' as const })
    },

    getMetrics: async () =>
      ok(
        state.metrics.render({
          live_calls: calls.live,
          live_event_streams: state.streams.size,
          client_sockets: state.sockets.open,
          client_sockets_evicted_total: state.sockets.evicted,
          live_scopes: liveScopes(),
          draining: state.draining ? 1 : 0,
          uptime_seconds: (clock.monotonicMs() - startedMs) / 1000,
          resident_memory_bytes: process.memoryUsage.rss(),
          ...deps.liveStats(),
        }),
      ),

    getOpenapi: async () => ok((document ??= openapi(endpoints, info()))),

    getDocs: async () => ok((page ??= docs(endpoints, info()))),
  }
}
