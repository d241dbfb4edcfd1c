// One request outside of any dialog (OPTIONS, REGISTER) with its challenges, until its final response.
import { randomHex } from '@saperly/kernel'
import { composeRequest } from './compose.ts'
import type { Field } from './compose.ts'
import type { Core } from './core.ts'
import { MAX_CHALLENGES } from './digest.ts'
import type { DigestClient } from './digest.ts'
import type { SipResponse } from './message.ts'
import type { Hop } from './hop.ts'

export interface OutsideRequest {
  method: string
  /** Request-URI. */
  uri: string
  from: string
  to: string
  callId: string
  /** Each request of a Call-ID takes the next one (RFC 3261 section 8.1.1.5). */
  nextCSeq: () => number
  contact: string
  fields: readonly Field[]
  via: Hop
  auth: DigestClient | null
}

/** `onDone` is called once, later: null where no final response came, or the network refused to send. */
export function askOutside(
  core: Core,
  what: OutsideRequest,
  onDone: (response: SipResponse | null) => void,
): void {
  const localTag = randomHex(core.random, 8)
  const send = (challenges: number): void => {
    const request = composeRequest({
      method: what.method,
      uri: what.uri,
      from: `<${what.from}>;tag=${localTag}`,
      to: `<${what.to}>`,
      callId: what.callId,
      cseq: what.nextCSeq(),
      contact: what.contact,
      routes: [],
      fields: what.fields,
      body: null,
    })
    what.auth?.authorise(request)
    core.layer.request(request, what.via, {
      onResponse: (response) => {
        if (response.status < 200) return
        const challenged = response.status === 401 || response.status === 407
        if (challenged && challenges < MAX_CHALLENGES && what.auth?.learn(response)) {
          return send(challenges + 1)
        }
        onDone(response)
      },
      onFailure: () => onDone(null),
    })
  }
  send(0)
}
