// Who asks, and how: what every handler is given beside its validated input.
import type { Endpoints, Handlers as HandlersOf } from '@saperly/contract'
import type { KeyRow, Tenant } from '../store/port.ts'
import type { Actor } from '../consent/trail.ts'

/** A client that wants to follow along: ends when it goes, when its key is revoked, or when the server closes. */
export interface LiveRequest {
  signal: AbortSignal
  lastEventId: string | null
}

/** Common to every request. */
export interface RequestContext {
  requestId: string
  /** Path as it was asked for, without the query. */
  path: string
  /** Set when the client accepts an event stream on a route that has one. */
  live: LiveRequest | null
}

/** A request with a valid key that has the route's scope. */
export interface KeyedContext extends RequestContext {
  key: KeyRow
  tenant: Tenant
  actor: Actor
  /** The claimed `Idempotency-Key`, or null. */
  idempotencyKey: string | null
}

type OpenName = {
  [Name in keyof Endpoints]: Endpoints[Name]['scope'] extends 'none' ? Name : never
}[keyof Endpoints]

/** Handlers of the routes that ask for no key. */
export type OpenHandlers = HandlersOf<Pick<Endpoints, OpenName>, RequestContext>

type KeyedHandlers = HandlersOf<Omit<Endpoints, OpenName>, KeyedContext>

/** Exactly one handler for each of these routes. */
export type HandlersFor<Name extends keyof KeyedHandlers> = Pick<KeyedHandlers, Name>

/** One handler for every route of the table: a missing one does not compile. */
export type ApiHandlers = OpenHandlers & KeyedHandlers
