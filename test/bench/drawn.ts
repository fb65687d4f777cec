/** How long a curve takes in a real browser, from the moment its points are asked for until they are pixels. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { hasChromium, launch } from '../support/chromium.js'
import { type Cairn, median } from './rows.js'

/** Milliseconds; NaN, and said so, where there is no Chromium. */
export interface Drawn {
  /** From the click on the run. */
  readonly clickMs: number
  /** From the request for the points. */
  readonly askedMs: number
}

// Lines have a colour, axes and grid are grey: the first pixel with one is a line. One frame later it is on the screen.
const WATCH = `new Promise((done, fail) => {
  const from = performance.now()
  document.querySelector('.grid-row .name a').click()
  const hasLine = (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    for (let at = 0; at < data.length; at += 4)
      if (data[at + 3] > 128 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 60)
        return true
    return false
  }
  const look = () => {
    const canvas = document.querySelector('.charts canvas')
    if (performance.now() - from > 60_000) fail(new Error('no curve was drawn in a minute'))
    else if (!canvas || !hasLine(canvas)) requestAnimationFrame(look)
    else
      requestAnimationFrame(() => {
        const end = performance.now()
        const asked = performance.getEntriesByType('resource').findLast(({ name }) => name.endsWith('/cairn/curves'))
        done({ clickMs: end - from, askedMs: end - asked.startTime })
      })
  }
  look()
})`

async function once(page: Page, url: string, experimentId: string, points: number): Promise<Drawn> {
  await page.goto(`${url}/#/experiments/${experimentId}`)
  await page.locator('.grid-row .name a').waitFor()
  const taken = (await page.evaluate(WATCH)) as Drawn
  await page.getByText(`${points.toLocaleString('en')} points`).waitFor()
  return taken
}

/** Points that are watched on their way to the page. */
const WATCHED = 15

/** The longest that a point took from `logMetric`, in another process than the server's, until the page showed it. */
export async function live(url: string, trackingUri: string, { createClient }: Cairn): Promise<number> {
  if (!hasChromium) return Number.NaN
  const client = createClient({ trackingUri })
  const run = await client.startRun({ experimentId: await client.createExperiment('live') })
  run.logMetric('loss', 0, 0)
  await run.flush()
  const browser = await launch()
  try {
    const page = await browser.newPage()
    await page.goto(`${url}/#/experiments/${run.experimentId}/runs/${run.runId}`)
    await page.locator('.charts canvas').waitFor()
    const times: number[] = []
    for (let step = 1; step <= WATCHED; step++) {
      // At odd moments of the rounds in which all of them work.
      await wait(200 + ((137 * step) % 700))
      const shown = page.evaluate(`new Promise((done) => {
        const look = () =>
          document.querySelector('.chart').getAttribute('aria-label').includes(', last ${step},')
            ? requestAnimationFrame(done)
            : requestAnimationFrame(look)
        look()
      })`)
      const from = performance.now()
      run.logMetric('loss', step, step)
      await shown
      times.push(performance.now() - from)
    }
    return Math.max(...times)
  } finally {
    await browser.close()
    await run.end()
    await client.close()
  }
}

/** The medians of one first look at the one run of each experiment. */
export async function drawn(url: string, experimentIds: readonly string[], points: number): Promise<Drawn> {
  if (!hasChromium) {
    console.warn("SKIPPED: the drawing of curves; set CHROMIUM, or install Debian's package chromium")
    return { clickMs: Number.NaN, askedMs: Number.NaN }
  }
  const browser = await launch()
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    const all: Drawn[] = []
    for (const id of experimentIds) all.push(await once(page, url, id, points))
    return { clickMs: median(all.map((one) => one.clickMs)), askedMs: median(all.map((one) => one.askedMs)) }
  } finally {
    await browser.close()
  }
}
