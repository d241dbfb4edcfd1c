// What a connection lets its brain do to a call.
import type { Connection, Directive } from '@saperly/contract'

export type CallControl = Connection['callControl']

/** Why this connection does not let its brain do this, in words for the brain's developer, or null when it may. */
export function forbidden(directive: Directive, control: CallControl): string | null {
  switch (directive.type) {
    case 'speak':
    case 'wait_for_user':
      return null
    case 'hangup':
      return control.endCall ? null : 'hangup is turned off by the callControl of the connection'
    case 'send_dtmf':
      return control.sendDtmf
        ? null
        : 'send_dtmf is turned off by the callControl of the connection'
    case 'transfer':
      return control.transfer?.targets.includes(directive.to)
        ? null
        : 'transfer.to is not among the targets in the callControl of the connection'
  }
}
