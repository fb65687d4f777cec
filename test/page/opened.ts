import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { type RunningServer, startServer } from '../../src/server/index.js'
import { launch } from '../support/chromium.js'
import { faultsOf } from './browser.js'

/** A page in a real browser, at a server of its own. */
export interface Opened {
  readonly server: RunningServer
  readonly page: Page
  /** What went wrong in the page so far; what a test expects it takes out. */
  readonly faults: string[]
  /** Goes to a view, and waits for its title. */
  open(hash: string): Promise<void>
}

/** Gives each test of a suite a fresh page on a store, and fails the test in which anything went wrong in it. */
export function opensPages(store: string, each: (opened: Opened) => void): void {
  let browser: Browser
  let server: RunningServer
  let context: BrowserContext
  let faults: string[]
  beforeAll(async () => {
    server = await startServer({ trackingUri: store })
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    faults = faultsOf(page)
    const open = async (hash: string) => {
      await page.goto(`${server.url}${hash}`)
      await page.locator('h1').waitFor()
    }
    each({ server, page, faults, open })
  })
  afterEach(async () => {
    await context.close()
    expect(faults).toEqual([])
  })
}
