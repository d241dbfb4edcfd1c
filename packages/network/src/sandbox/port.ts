// The sandbox as the node sees it: phones inside this machine, each a SIP user agent on its own port.
import type { Endpoint } from '../sip/transport.ts'

/** Header by which a sandbox phone says which call it was told to place; from anybody else it means nothing. */
export const SANDBOX_CALL_HEADER = 'x-saperly-call'

/** A phone is told to call one of our numbers. */
export interface SandboxCall {
  /** Goes into {@link SANDBOX_CALL_HEADER}. */
  callId: string
  from: string
  to: string
  /** Name of the script the phone follows, or null for its default. */
  script: string | null
  /** Where the node listens. */
  node: Endpoint
}

export interface Sandbox {
  /** The phone that has this number; every number has one. */
  addressFor(number: string): Endpoint
  /** Whether requests from there come from one of our phones. */
  sourceOf(address: string, port: number): boolean
  /** Never blocks; the call then arrives by SIP. */
  call(call: SandboxCall): void
  close(): Promise<void>
}
