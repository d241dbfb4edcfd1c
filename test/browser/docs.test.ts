// The documentation page in a real browser: whole, from our own server alone, without a script or an error.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { havePeer } from '../peers.ts'
import { openWorld, type World } from '../world.ts'

const BROWSER = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path))
const ready = havePeer(
  'test/browser',
  BROWSER === undefined ? 'no Chromium (Debian: apt-get install chromium)' : null,
)
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

describe.skipIf(!ready)('/docs', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld()
  })
  afterAll(() => world.close())

  test('every route and every error stands on one page that asks nobody else for anything', async () => {
    const browser = await chromium.launch({ executablePath: BROWSER!, args: ARGUMENTS })
    try {
      const page = await browser.newPage()
      const foreign: string[] = []
      const faults: string[] = []
      page.on('request', (request) => {
        if (!request.url().startsWith(world.url)) foreign.push(request.url())
      })
      page.on('pageerror', (error) => faults.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error') faults.push(message.text())
      })
      const response = await page.goto(`${world.url}/docs`)
      expect(response?.status()).toBe(200)
      const text = await page.evaluate('document.body.innerText')
      const openapi = (await (await fetch(`${world.url}/openapi.json`)).json()) as {
        paths: Record<string, unknown>
      }
      for (const path of Object.keys(openapi.paths)) {
        expect(text).toContain(path.replaceAll(/\{(\w+)\}/g, ':$1'))
      }
      for (const tag of ['ConsentRequired', 'CallStartFailed', 'SpendLimitExceeded']) {
        expect(text).toContain(tag)
      }
      expect(foreign).toEqual([])
      expect(faults).toEqual([])
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth > document.documentElement.clientWidth',
      )
      expect(overflow).toBe(false)
      if (process.env['SCREENSHOT']) await page.screenshot({ path: process.env['SCREENSHOT'] })
    } finally {
      await browser.close()
    }
  })
})
