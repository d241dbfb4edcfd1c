// The chapters that are written by hand: how to begin, how webhooks are signed, how a brain talks.
import { MAX_DIRECTIVES, MAX_FRAME_BYTES, directives } from '../directive.ts'
import { standardWebhookHeaders, webhookHeaders } from '../events.ts'
import { schemaOf } from '../json-schema.ts'
import {
  ErrorFrame,
  MANUAL_PROTOCOL,
  MANUAL_RECONNECT_SEC,
  MANUAL_WEBHOOK_TIMEOUT_SEC,
  ReadyFrame,
  answerableEventTypes,
  manualEvents,
} from '../manual.ts'
import { fieldTable } from './fields.ts'
import { html, prose } from './html.ts'
import type { Html } from './html.ts'

export interface DocsInfo {
  version: string
  /** Where the API answers, without a trailing slash. */
  serverUrl: string
}

export function introduction({ serverUrl }: DocsInfo): Html {
  return html`<h1>A phone carrier for AI agents</h1>
    <p>
      ${prose('Send `Authorization: Bearer <key>` with every request. A key that starts with `sk_test_` sees only test data, spends only test balance, and its calls go to phones inside the platform: nobody is disturbed.')}
    </p>
    <p>
      ${prose('All money is integer cents (USD), all times are ISO 8601 UTC. Bodies are JSON and refuse unknown fields; their optional fields accept `null`. Lists are bare arrays, newest first: `limit` and `cursor` page through them, and the next page stands in the `Link` header. Every answer carries `x-request-id`. Every route answers under `/v2` too.')}
    </p>
    <p>
      ${prose('Every request that changes something takes an `Idempotency-Key`: the same key, route and body within 24 hours give the first answer again, with `idempotency-replayed: true` and without secrets, and never a second call.')}
    </p>
    <pre><code>export SAPERLY_URL=${serverUrl}
export SAPERLY_API_KEY=sk_test_…</code></pre>`
}

export function webhookIntroduction(): Html {
  return html`<p>
      ${prose('Each delivery is `{"deliveryId", "eventType", "createdAt", "payload"}`, POSTed as JSON; `deliveryId` is the same in every attempt. After the first attempt come others after 5 s, 30 s, 2 min, 10 min, 1 h, 6 h and 24 h; then the delivery is dead, and can be replayed. Events of one call are sent in their order: each waits until the first attempt at the one before has ended. `GET /events` has all of them in one order.')}
    </p>
    <p>
      ${prose(`The header \`${webhookHeaders.signature}\` holds \`v1=\` and the hex HMAC-SHA256, with your signing secret, over the value of \`${webhookHeaders.timestamp}\` (Unix seconds), a dot, and the raw body. While a secret is being rotated it holds two signatures with a space between; one that fits is enough. \`${webhookHeaders.deliveryId}\` and \`${webhookHeaders.attempt}\` say which attempt this is.`)}
    </p>
    <p>
      ${prose(`Beside it stands the set of Standard Webhooks, for whoever has its libraries: \`${standardWebhookHeaders.signature}\` holds \`v1,\` and the base64 HMAC-SHA256 over the values of \`${standardWebhookHeaders.id}\` (the delivery’s id) and \`${standardWebhookHeaders.timestamp}\` and the raw body, with dots between; its key is what the part of your secret after \`_\` means in base64. Check one set or the other.`)}
    </p>`
}

export function manualChapter(): Html {
  return html`<section id="manual">
    <h2>Manual mode: ${MANUAL_PROTOCOL}</h2>
    <p>
      ${prose('A connection in manual mode is answered by your own brain: the platform hears and speaks, you get text and say what to do. Open a websocket at `/manual/:connectionId` with `Authorization: Bearer mc_…`, or where headers can’t be set with the subprotocols')}
      <code>${MANUAL_PROTOCOL}</code> ${prose('and `bearer.mc_…`.')}
    </p>
    <p>
      ${prose(`One socket carries all live calls of the connection. When it closes, its calls wait ${MANUAL_RECONNECT_SEC} seconds for another, and every event without an answer is sent again with its old \`requestId\`. Without a socket each event is POSTed to \`manualWebhookUrl\`, signed like any webhook but with the manual secret, and answered within ${MANUAL_WEBHOOK_TIMEOUT_SEC} seconds by the directives as JSON, or as \`application/x-ndjson\`, one directive a line.`)}
    </p>
    ${entry('ready', 'The first frame from the platform.', fieldTable(schemaOf(ReadyFrame), 'answer'))}
    <h4>Events: from the platform to the brain</h4>
    ${Object.entries(manualEvents).map(([type, schema]) =>
      entry(type, wanted(type), fieldTable(schemaOf(schema), 'answer')),
    )}
    <h4>Directives: from the brain to the platform</h4>
    <p>
      ${prose(`A frame is \`{"requestId", "directives": […]}\` or \`{"requestId", "directive": {…}}\`; with \`callId\` in place of \`requestId\` it may come at any time on a live call. It holds at most ${MAX_DIRECTIVES} directives in ${MAX_FRAME_BYTES / 1024} KiB. A request is answered by its first frame that doesn’t end in \`more: true\`.`)}
    </p>
    ${Object.entries(directives).map(([type, schema]) =>
      entry(type, null, fieldTable(schemaOf(schema), 'request')),
    )}
    ${entry('error', 'The answer to a frame that can’t be followed. The call goes on.', fieldTable(schemaOf(ErrorFrame), 'answer'))}
  </section>`
}

function wanted(type: string): string {
  return answerableEventTypes.some((one) => one === type) ? 'Wants an answer.' : 'Wants no answer.'
}

function entry(type: string, note: string | null, table: Html | null): Html {
  return html`<details>
    <summary><code>${type}</code>${note ? ` · ${note}` : null}</summary>
    ${table}
  </details>`
}
