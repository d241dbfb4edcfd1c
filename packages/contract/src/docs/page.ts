// The wire as one page to read: a pure function of the table. No script, no request, everything escaped.
import { resources } from '../endpoint.ts'
import type { Endpoint, Resource } from '../endpoint.ts'
import { deliveredEventTypes, webhookPayloads } from '../events.ts'
import { failureSchemas, failureTags, failures, retryAfterSec } from '../failure.ts'
import type { FailureTag } from '../failure.ts'
import { bodyName, bodySchema, schemaOf, schemasOf } from '../json-schema.ts'
import type { JsonObject, Schemas, Table } from '../json-schema.ts'
import { callEventData } from '../shapes/call-event.ts'
import { shapes } from '../shapes/index.ts'
import { curl } from './example.ts'
import { fieldTable, typeOf } from './fields.ts'
import { Html, html, prose } from './html.ts'
import type { Content } from './html.ts'
import type { DocsInfo } from './chapters.ts'
import { introduction, manualChapter, webhookIntroduction } from './chapters.ts'
import { style } from './style.ts'

/** Renders the page, as a whole document. */
export function docs(table: Table, info: DocsInfo): string {
  const schemas = schemasOf(table)
  const groups = grouped(table)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <link rel="icon" href="data:," />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Saperly API ${info.version}</title>
        <style>
          ${new Html(style)}
        </style>
      </head>
      <body>
        ${navigation(groups, info)}
        <main>
          ${introduction(info)} ${groups.map((group) => chapter(group, schemas))}
          ${timelineChapter()} ${webhookChapter()} ${manualChapter()} ${shapeChapter(schemas)}
          ${errorChapter()}
        </main>
      </body>
    </html> `.markup
}

interface Group {
  resource: Resource
  members: Endpoint[]
}

function grouped(table: Table): Group[] {
  const all = Object.values(table)
  return resources
    .map((resource) => ({ resource, members: all.filter((one) => one.resource === resource) }))
    .filter(({ members }) => members.length > 0)
}

const chapters: readonly (readonly [id: string, title: string])[] = [
  ['timeline', 'Timeline of a call'],
  ['webhook-events', 'Webhook events'],
  ['manual', 'Manual mode'],
  ['shapes', 'Shapes'],
  ['errors', 'Errors'],
]

function navigation(groups: readonly Group[], info: DocsInfo): Html {
  return html`<nav aria-label="Contents">
    <strong>Saperly</strong>
    <span class="optional">API ${info.version}</span>
    ${groups.map(
      ({ resource, members }) =>
        html`<h2>${resource}</h2>
          <ul>
            ${members.map((one) => html`<li><a href="#${one.name}">${one.summary}</a></li>`)}
          </ul>`,
    )}
    <h2>Reference</h2>
    <ul>
      ${chapters.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}
    </ul>
  </nav>`
}

function chapter({ resource, members }: Group, schemas: Schemas): Html {
  return html`<section>
    <h2>${resource}</h2>
    ${members.map((one) => endpointEntry(one, schemas))}
  </section>`
}

function endpointEntry(endpoint: Endpoint, schemas: Schemas): Html {
  const body = bodySchema(endpoint)
  const bodyFields = body
    ? fieldTable(schemas.components[bodyName(endpoint)] ?? {}, 'request')
    : null
  const query = endpoint.query ? fieldTable(schemaOf(endpoint.query), 'request') : null
  return html`<article id="${endpoint.name}">
    <h3>${endpoint.summary}</h3>
    <div class="route">
      <span class="method ${endpoint.method.toLowerCase()}">${endpoint.method}</span>
      <code>${endpoint.path}</code>
      <span class="scope">${access(endpoint)}</span>
    </div>
    ${endpoint.description ? html`<p>${prose(endpoint.description)}</p>` : null}
    ${titled('Query', query)} ${titled('Body', bodyFields)}
    <h4>Answer</h4>
    <p>${answer(endpoint, schemas)}</p>
    <h4>Example</h4>
    <pre><code>${curl(endpoint)}</code></pre>
    <details>
      <summary>Errors (${endpoint.errors.length})</summary>
      ${errorTable(endpoint.errors)}
    </details>
  </article>`
}

function titled(title: string, content: Content): Content {
  return content === null
    ? null
    : html`<h4>${title}</h4>
        ${content}`
}

function access({ scope }: Endpoint): Content {
  if (scope === 'none') return 'no key'
  return scope === 'any' ? 'any valid key' : html`scope <code>${scope}</code>`
}

function answer({ success }: Endpoint, schemas: Schemas): Html {
  switch (success.kind) {
    case 'json':
      return html`<code>${success.status}</code> ${typeOf(inline(schemas.of(success.schema)))}`
    case 'page':
      return html`<code>200</code> list of ${typeOf(schemas.of(success.schema))}, the next page in
        <code>Link</code
        >${success.stream ? html`, or live as <code>text/event-stream</code>` : null}`
    case 'redirect':
      return html`<code>302</code> to the address in <code>Location</code>`
    case 'file':
      return html`<code>200</code> <code>${success.contentTypes.join(', ')}</code>`
    case 'text':
      return html`<code>200</code> <code>${success.contentType}</code>`
  }
}

/** A small answer without a name is told by the one field that it has. */
function inline(schema: JsonObject): JsonObject {
  const properties = Object.values((schema['properties'] as JsonObject | undefined) ?? {})
  const [only] = properties
  return only && properties.length === 1 ? { const: asExample(schema) } : schema
}

function asExample(schema: JsonObject): JsonObject {
  const properties = (schema['properties'] as { [name: string]: JsonObject } | undefined) ?? {}
  return Object.fromEntries(
    Object.entries(properties).map(([name, field]) => [name, field['const'] ?? null]),
  )
}

function errorTable(tags: readonly FailureTag[]): Html {
  const sorted = tags.toSorted((a, b) => failures[a].status - failures[b].status)
  return html`<table class="errors">
    <tbody>
      ${sorted.map(
        (tag) =>
          html`<tr>
            <th scope="row"><a href="#error-${tag}">${tag}</a></th>
            <td class="type">${failures[tag].status}</td>
            <td>${prose(failures[tag].summary)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`
}

function errorChapter(): Html {
  return html`<section id="errors">
    <h2>Errors</h2>
    <p>${prose('The body is `{"_tag": …}` with the fields of its tag, all of them present.')}</p>
    ${failureTags.map(
      (tag) =>
        html`<article id="error-${tag}">
          <h3><code>${tag}</code> ${failures[tag].status}</h3>
          <p>${prose(failures[tag].summary)}</p>
          ${
            Object.hasOwn(retryAfterSec, tag)
              ? html`<p>Comes with the header <code>Retry-After</code>.</p>`
              : null
          }
          ${fieldTable(schemaOf(failureSchemas[tag]), 'answer')}
        </article>`,
    )}
  </section>`
}

function shapeChapter(schemas: Schemas): Html {
  return html`<section id="shapes">
    <h2>Shapes</h2>
    <p>Fields that are not known yet are <code>null</code>, never absent.</p>
    ${Object.keys(shapes).map(
      (name) =>
        html`<article id="shape-${name}">
          <h3>${name}</h3>
          ${
            fieldTable(schemas.components[name] ?? {}, 'answer') ??
            html`<p>See <a href="#timeline">the timeline of a call</a>.</p>`
          }
        </article>`,
    )}
  </section>`
}

function timelineChapter(): Html {
  return html`<section id="timeline">
    <h2>Timeline of a call</h2>
    <p>
      ${prose('Each event is `{id, callId, type, at, data}`; what `data` holds depends on the type.')}
    </p>
    ${Object.entries(callEventData).map(
      ([type, schema]) =>
        html`<h3><code>${type}</code></h3>
          ${fieldTable(schemaOf(schema), 'answer')}`,
    )}
  </section>`
}

function webhookChapter(): Html {
  return html`<section id="webhook-events">
    <h2>Webhook events</h2>
    ${webhookIntroduction()}
    ${deliveredEventTypes.map(
      (type) =>
        html`<h3><code>${type}</code></h3>
          ${fieldTable(schemaOf(webhookPayloads[type]), 'answer')}`,
    )}
  </section>`
}
