/** How long a curve takes in a real browser, from the moment its points are asked for until they are pixels. */
import type { Page } from 'playwright-core'
import { hasChromium, launch } from '../support/chromium.js'
import { median } from './rows.js'

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
