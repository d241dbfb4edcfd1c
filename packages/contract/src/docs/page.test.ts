// The page is whole: links lead somewhere, examples are taken, nothing is fetched, nothing breaks out.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { endpoint, json } from '../endpoint.ts'
import { failureTags } from '../failure.ts'
import { manualEventTypes } from '../manual.ts'
import { endpoints } from '../table.ts'
import { validate } from '../validate.ts'
import { exampleBody, examplePath, exampleQuery } from './example.ts'
import { escaped, html, prose } from './html.ts'
import { docs } from './page.ts'

const info = { version: '1.2.3', serverUrl: 'http://127.0.0.1:8080' }
const page = docs(endpoints, info)

describe('the page', () => {
  it('tells of every endpoint, error and event', () => {
    for (const { name, path } of Object.values(endpoints)) {
      expect(page).toContain(`id="${name}"`)
      expect(page).toContain(`<code>${path}</code>`)
    }
    for (const tag of failureTags) expect(page).toContain(`id="error-${tag}"`)
    for (const type of manualEventTypes) expect(page).toContain(`<code>${type}</code>`)
  })

  it('has links that lead somewhere, and ids that are there once', () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map((found) => found[1])
    expect(new Set(ids).size).toBe(ids.length)
    const links = [...page.matchAll(/ href="#([^"]+)"/g)].map((found) => found[1])
    expect(links.filter((link) => !ids.includes(link))).toEqual([])
  })

  it('fetches nothing and runs nothing', () => {
    // The empty icon is what keeps a browser from asking for one.
    const rest = page.replace('<link rel="icon" href="data:," />', '')
    expect(rest).not.toMatch(/<(script|link|img|iframe)\b|url\(|@import| on\w+=/i)
    expect(page).not.toContain('undefined')
    expect(page).not.toContain('[object Object]')
  })

  it('is the same every time', () => expect(docs(endpoints, info)).toBe(page))

  it('escapes whatever stands in the table', () => {
    const evil = endpoint({
      name: 'evil',
      resource: 'Calls',
      method: 'POST',
      path: '/evil',
      summary: '<script>alert(1)</script>',
      description: '`</code><img>`',
      scope: 'any',
      body: z.strictObject({ '<b>': z.string().describe('"&<i>') }),
      success: json(200, z.object({ a: z.string(), b: z.string() })),
      errors: [],
    })
    const written = docs({ evil }, { ...info, version: '"><svg>' })
    expect(written).not.toMatch(/<script|<img|<svg|<b>|<i>/)
    expect(written).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  })
})

describe('examples', () => {
  it.each(Object.values(endpoints).map((one) => [one.name, one] as const))(
    '%s is taken',
    (_, one) => {
      const body = exampleBody(one)
      if (one.body) expect(validate(one.body, body ?? undefined)).toMatchObject({ ok: true })
      const query = Object.fromEntries(new URLSearchParams(exampleQuery(one)))
      if (one.query) expect(validate(one.query, query)).toMatchObject({ ok: true })
      expect(examplePath(one.path)).not.toContain(':')
    },
  )
})

describe('markup', () => {
  it('escapes text and keeps markup', () => {
    expect(escaped(`<a href="x">&'`)).toBe('&lt;a href=&quot;x&quot;&gt;&amp;&#39;')
    expect(html`<p>${'<'}${html`<b>${1}</b>`}${['a', null, '&']}</p>`.markup).toBe(
      '<p>&lt;<b>1</b>a&amp;</p>',
    )
    expect(prose('a `<b>` c').markup).toBe('a <code>&lt;b&gt;</code> c')
  })
})
