// Reporting on a transfer that somebody asked of us: NOTIFY with a sipfrag of each answer (RFC 3515 section 2.4).
import type { ReferReport } from './call-event.ts'
import { phraseOf } from './compose.ts'
import type { InDialog } from './dialog.ts'

/** How long the subscription is said to live, seconds. */
const SUBSCRIPTION_SEC = 180

/** Sends `100 Trying` at once and gives back what reports the rest. `id` is the CSeq of the REFER. */
export function referReporter(id: number, send: (notify: InDialog) => void): ReferReport {
  let over = false
  const report: ReferReport = (sipCode) => {
    if (over) return
    over = sipCode >= 200
    send({
      method: 'NOTIFY',
      fields: [
        ['event', `refer;id=${id}`],
        [
          'subscription-state',
          over ? 'terminated;reason=noresource' : `active;expires=${SUBSCRIPTION_SEC}`,
        ],
      ],
      body: {
        type: 'message/sipfrag;version=2.0',
        text: `SIP/2.0 ${sipCode} ${phraseOf(sipCode)}\r\n`,
      },
    })
  }
  report(100)
  return report
}
