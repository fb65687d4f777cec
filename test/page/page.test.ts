import { join } from 'node:path'
import type { Page, Response } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { startServer } from '../../src/server/index.js'
import { hasChromium } from '../support/chromium.js'
import { tempDir } from '../support/temp-dir.js'
import { expectAccessible, keep } from './browser.js'
import { type Opened, opensPages } from './opened.js'
import { type Seeded, seed } from './seed.js'

let server: Opened['server']
let seeded: Seeded
let page: Page
let faults: Opened['faults']
let open: Opened['open']
const store = join(tempDir(), 'mlruns')
type Box = NonNullable<Awaited<ReturnType<ReturnType<Page['locator']>['boundingBox']>>>

describe.skipIf(!hasChromium)('the page', () => {
  beforeAll(async () => {
    seeded = await seed(store)
  })
  opensPages(store, (opened) => {
    ;({ server, page, faults, open } = opened)
  })

  // Asked again and again from outside: the page's own policy lets nothing be evaluated inside it.
  const until = (expression: string) => expect.poll(() => page.evaluate(expression)).toBe(true)
  const experiment = () => `#/experiments/${seeded.experimentId}`
  const names = () => page.locator('.grid-row .name a').allInnerTexts()
  const drawn = () => page.locator('.charts canvas').first().waitFor()
  const five = () => seeded.runIds.slice(1, 6).join(',')

  describe('draws every view, without a serious finding of axe', () => {
    const views: [string, () => string, () => Promise<unknown>][] = [
      ['experiments', () => '#/experiments', () => page.getByRole('link', { name: 'churn', exact: true }).waitFor()],
      ['runs', experiment, () => page.getByRole('link', { name: 'with-everything' }).waitFor()],
      ['run', () => `${experiment()}/runs/${seeded.runIds[1]}`, () => drawn()],
      [
        'details',
        () => `${experiment()}/runs/${seeded.richRunId}/details`,
        () => page.getByText('customers', { exact: true }).waitFor(),
      ],
      [
        'picture',
        () => `${experiment()}/runs/${seeded.richRunId}/artifacts/figures/shape.svg`,
        () => page.locator('.viewer img').waitFor(),
      ],
      [
        'table',
        () => `${experiment()}/runs/${seeded.richRunId}/artifacts/tables/scores.json`,
        () => page.getByRole('cell', { name: '0.91' }).waitFor(),
      ],
      [
        'csv',
        () => `${experiment()}/runs/${seeded.richRunId}/artifacts/tables/scores.csv`,
        () => page.getByRole('cell', { name: 'Doe, Jane' }).waitFor(),
      ],
      [
        'json',
        () => `${experiment()}/runs/${seeded.richRunId}/artifacts/config.json`,
        () => page.getByText('"threshold": 0.5').waitFor(),
      ],
      ['compare', () => `#/compare?runs=${five()}`, () => drawn()],
      [
        'differences',
        () => `#/compare?runs=${five()}&tab=differences`,
        () => page.getByRole('rowheader', { name: 'lr', exact: true }).waitFor(),
      ],
      ['parallel', () => `#/compare?runs=${five()}&tab=parallel`, () => page.locator('polyline').first().waitFor()],
      ['scatter', () => `#/compare?runs=${five()}&tab=scatter`, () => page.locator('circle').first().waitFor()],
      ['models', () => '#/models', () => page.getByRole('link', { name: 'churn-net' }).waitFor()],
      ['model', () => '#/models/churn-net', () => page.getByRole('heading', { name: 'History' }).waitFor()],
    ]
    it.each(views)('%s, light, dark and narrow', async (name, hash, there) => {
      await open(hash())
      await there()
      await keep(page, name)
      await expectAccessible(page)
      await page.emulateMedia({ colorScheme: 'dark' })
      await until(`getComputedStyle(document.body).backgroundColor === 'rgb(16, 21, 23)'`)
      await keep(page, `${name}-dark`)
      await expectAccessible(page)
      await page.setViewportSize({ width: 390, height: 780 })
      await keep(page, `${name}-narrow`)
      await expectAccessible(page)
      // What is wider than the window scrolls by itself: the page does not.
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    })
  })

  describe('the table of runs', () => {
    it('keeps those that a filter in MLflow’s grammar lets through, and the address says so', async () => {
      await open(experiment())
      await page.getByRole('link', { name: 'with-everything' }).waitFor()
      await page.keyboard.press('/')
      await page.keyboard.type("params.model = 'cnn' AND params.layers = '2'")
      await page.keyboard.press('Enter')
      await page.getByText('4 runs').waitFor()
      expect(await names()).toEqual(['cnn-2-18', 'cnn-2-12', 'cnn-2-06', 'cnn-2-00'])
      await keep(page, 'filter')
      await page.reload()
      await page.getByText('4 runs').waitFor()
      await page.getByRole('button', { name: 'Clear' }).click()
      await page.getByText('25 runs').waitFor()
    })

    it('shows where a filter broke', async () => {
      await open(experiment())
      await page.getByLabel('Filter runs').fill('metrics.loss < 0.3 AND params.model = cnn')
      await page.keyboard.press('Enter')
      const alert = page.getByRole('alert')
      await alert.waitFor()
      const [, line = '', caret = ''] = ((await alert.textContent()) ?? '').split('\n')
      expect(line.slice(caret.indexOf('^'))).toBe('cnn')
      expect(await page.getByLabel('Filter runs').getAttribute('aria-invalid')).toBe('true')
      await keep(page, 'filter-error')
      await expectAccessible(page)
    })

    it('is sorted by a click on a column, both ways, and back', async () => {
      await open(experiment())
      const header = page.getByRole('columnheader', { name: 'loss', exact: true })
      await header.getByRole('button').click()
      await expect.poll(() => header.getAttribute('aria-sort')).toBe('ascending')
      await expect.poll(async () => (await names())[0]).toBe('with-everything')
      await header.getByRole('button').click()
      await expect.poll(() => header.getAttribute('aria-sort')).toBe('descending')
      await expect.poll(async () => (await names())[0]).not.toBe('with-everything')
      await header.getByRole('button').click()
      await expect.poll(() => header.getAttribute('aria-sort')).toBe('none')
    })

    it('shows the columns that were chosen, also the next time', async () => {
      await open(experiment())
      await page.getByRole('button', { name: 'Columns' }).click()
      await page.getByRole('checkbox', { name: 'team' }).check()
      await page.getByRole('checkbox', { name: 'lr_now' }).uncheck()
      await keep(page, 'columns')
      await expectAccessible(page)
      await page.keyboard.press('Escape')
      await open('#/models')
      await open(experiment())
      await page.getByRole('columnheader', { name: 'team' }).waitFor()
      expect(await page.getByRole('columnheader', { name: 'lr_now' }).count()).toBe(0)
    })

    it('is walked, ticked and compared by keyboard alone', async () => {
      await open(experiment())
      await page.getByRole('link', { name: 'with-everything' }).waitFor()
      for (const key of ['j', 'ArrowDown', 'x', 'j', ' ', 'c']) await page.keyboard.press(key)
      await page.getByRole('heading', { name: 'Compare 2 runs' }).waitFor()
      expect(await page.locator('.legend a').allInnerTexts()).toEqual(['mlp-4-23', 'cnn-3-22'])
      await page.goBack()
      await page.getByRole('link', { name: 'with-everything' }).waitFor()
      for (const key of ['j', 'Enter']) await page.keyboard.press(key)
      await page.getByRole('heading', { name: 'with-everything' }).waitFor()
      await page.keyboard.press('?')
      await page.getByRole('dialog').waitFor()
      await keep(page, 'keys')
      await expectAccessible(page)
    })
  })

  describe('a comparison', () => {
    it('draws curves by step or time, smoothed, on a log scale, and its address says how', async () => {
      await open(`#/compare?runs=${five()}`)
      await drawn()
      await page.getByText('Since start').click()
      await page.getByLabel('Log scale').check()
      await page.getByLabel('Smoothing').fill('0.8')
      await until(
        `location.hash.includes('x=relative') && location.hash.includes('log=1') && location.hash.includes('smooth=0.8')`,
      )
      await drawn()
      await page.reload()
      await drawn()
      expect(await page.getByLabel('Log scale').isChecked()).toBe(true)
      await page.mouse.move(240, 420)
      await keep(page, 'compare-drawn')
    })

    it('leaves runs out and takes others in', async () => {
      await open(`#/compare?runs=${five()}`)
      await page.getByRole('button', { name: 'Leave mlp-2-21 out' }).click()
      await page.getByRole('heading', { name: 'Compare 4 runs' }).waitFor()
      await page.getByLabel('Add a run').selectOption({ label: 'cnn-2-00' })
      await page.getByRole('heading', { name: 'Compare 5 runs' }).waitFor()
      expect((await page.locator('.legend a').allInnerTexts()).at(-1)).toBe('cnn-2-00')
    })

    it('tells what differs from what is the same', async () => {
      await open(`#/compare?runs=${five()}&tab=differences`)
      await page.getByRole('rowheader', { name: 'lr', exact: true }).waitFor()
      expect(await page.getByRole('rowheader', { name: 'optimizer' }).count()).toBe(0)
      await page.getByLabel('Also what is the same').check()
      await page.getByRole('rowheader', { name: 'optimizer' }).waitFor()
    })
  })

  describe('models', () => {
    it('are moved only when it is confirmed, with the reason in the history, and rolled back', async () => {
      await using client = createClient({ trackingUri: store })
      const inProduction = async () =>
        (await client.getLatestVersions('churn-net', ['Production'])).map(({ version }) => version)
      await open('#/models/churn-net')
      await page.getByRole('button', { name: 'Move version 4 to a stage' }).click()
      await page.getByRole('dialog').waitFor()
      await page.getByRole('radio', { name: 'Production' }).check()
      await page.getByLabel('Why').fill('best auc so far')
      await keep(page, 'promote')
      await expectAccessible(page)
      await page.getByRole('button', { name: 'Cancel' }).click()
      expect(await inProduction()).toEqual(['3'])

      await page.getByRole('button', { name: 'Move version 4 to a stage' }).click()
      await page.getByRole('radio', { name: 'Production' }).check()
      await page.getByLabel('Why').fill('best auc so far')
      await page.getByRole('button', { name: 'Move to Production' }).click()
      await page.getByText('Version 4 is in Production now.').waitFor()
      expect(await inProduction()).toEqual(['4'])
      await page.getByText('best auc so far').first().waitFor()
      const history = await client.getStageHistory('churn-net')
      expect(history.filter(({ comment }) => comment === 'best auc so far')).toMatchObject([
        { version: '4', from: 'Staging', to: 'Production' },
        { version: '3', from: 'Production', to: 'Archived' },
      ])

      await page.getByRole('button', { name: 'Roll back' }).first().click()
      await keep(page, 'rollback')
      await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click()
      await page.getByText('Version 3 is back in Production.').waitFor()
      expect(await inProduction()).toEqual(['3'])
    })

    it('get aliases', async () => {
      await open('#/models/churn-net')
      await page.getByRole('button', { name: 'Give version 2 an alias' }).click()
      await page.getByLabel('Alias', { exact: true }).fill('challenger')
      await page.getByRole('button', { name: 'Set alias' }).click()
      await page.getByText('@challenger is version 2 now.').waitFor()
      await using client = createClient({ trackingUri: store })
      expect((await client.getModelVersionByAlias('churn-net', 'challenger')).version).toBe('2')
    })
  })

  describe('while something trains', () => {
    it('points appear by themselves, and only what is new is asked for', async () => {
      await using client = createClient({ trackingUri: store, buffer: { intervalMs: 50 } })
      await client.setExperiment('live')
      const run = await client.startRun({ runName: 'training' })
      for (let step = 0; step < 50; step++) run.logMetric('loss', 1 / (step + 1), step)
      await run.flush()
      const asked: { from: number; count: number }[] = []
      await page.route('**/cairn/curves', async (route) => {
        const response = await route.fetch()
        const { curves } = (await response.json()) as { curves: { from: number; value: unknown[] }[] }
        for (const { from, value } of curves) asked.push({ from, count: value.length })
        await route.fulfill({ response })
      })
      let loads = 0
      page.on('load', () => loads++)
      await open(`#/experiments/${run.experimentId}/runs/${run.runId}`)
      const points = () => page.locator('figure small').textContent()
      await expect.poll(points).toBe('50 points')
      for (const step of [50, 51, 52]) {
        run.logMetric('loss', 0.01, step)
        await run.flush()
        await expect.poll(points).toBe(`${step + 1} points`)
      }
      await keep(page, 'live')
      expect(loads).toBe(1)
      const [first, ...later] = asked
      expect(first).toEqual({ from: 0, count: 50 })
      expect(later.every(({ from }) => from >= 50)).toBe(true)
      expect(later.reduce((sum, { count }) => sum + count, 0)).toBe(3)
      await run.end()
      await page.getByText('finished').waitFor()
      await page.unrouteAll({ behavior: 'ignoreErrors' })
    })

    it('new runs and their metrics come into the table', async () => {
      await using client = createClient({ trackingUri: store, buffer: { intervalMs: 50 } })
      const { experimentId } = await client.setExperiment('live-table')
      const run = await client.startRun({ runName: 'first-of-them' })
      run.logMetric('loss', 0.5, 0)
      await run.flush()
      await open(`#/experiments/${experimentId}`)
      await page.getByRole('cell', { name: '0.5' }).waitFor()
      run.logMetric('loss', 0.25, 1)
      await run.flush()
      await page.getByRole('cell', { name: '0.25' }).waitFor()
      const second = await client.startRun({ runName: 'second-of-them' })
      await page.getByRole('link', { name: 'second-of-them' }).waitFor()
      await second.end()
      await run.end()
    })
  })

  describe('nothing that a run contains is markup', () => {
    const pwned = () => page.evaluate('"pwned" in window')

    it('in any view of a hostile run', async () => {
      const base = `#/experiments/${seeded.hostileId}`
      const run = `${base}/runs/${seeded.hostileRunId}`
      for (const hash of [
        '#/experiments',
        base,
        run,
        `${run}/details`,
        `#/compare?runs=${seeded.hostileRunId},${seeded.runIds[0]}`,
        `#/compare?runs=${seeded.hostileRunId},${seeded.runIds[0]}&tab=differences`,
        `#/compare?runs=${seeded.hostileRunId},${seeded.runIds[0]}&tab=scatter`,
      ]) {
        await open(hash)
        await page.getByText('onerror').or(page.getByText('<script>')).first().waitFor()
        expect(await pwned(), hash).toBe(false)
      }
      for (const file of ['page.html', 'readme.md', 'attack.svg', 'table.json']) {
        await open(`${run}/artifacts/${file}`)
        await page.locator('.viewer pre, .viewer img, .viewer table').first().waitFor()
        await keep(page, `hostile-${file}`)
        expect(await pwned(), file).toBe(false)
      }
      expect(await page.locator('#page script, #page iframe, #page [onerror], #page [onload]').count()).toBe(0)
      expect(await page.locator('#page a[href^="javascript:"]').count()).toBe(0)
    })

    it('nor when its file is opened by its own address: it is saved, not shown', async () => {
      for (const file of ['page.html', 'attack.svg']) {
        const saved = page.waitForEvent('download')
        const query = new URLSearchParams({ run_id: seeded.hostileRunId, path: file })
        await page.goto(`${server.trackingUri}/get-artifact?${query}`).catch(() => undefined)
        expect((await saved).suggestedFilename()).toBe(file)
      }
    })

    it('nor from a hostile address', async () => {
      for (const hash of [
        `#/experiments/${encodeURIComponent('<img src=x onerror=window.pwned=1>')}`,
        '#/models/%3Cscript%3Ewindow.pwned=1%3C%2Fscript%3E',
        `#/compare?runs=${encodeURIComponent('"><svg onload=window.pwned=1>')}`,
      ]) {
        await page.goto(`${server.url}${hash}`)
        await page.locator('.failure, .empty, h1').first().waitFor()
        expect(await pwned(), hash).toBe(false)
      }
      faults.length = 0
    })
  })

  describe('what is large', () => {
    it('a thousand runs are a table of which few rows are in the page, and scrolling brings the others', async () => {
      await using client = createClient({ trackingUri: store })
      const experimentId = await client.createExperiment('thousand')
      for (let i = 0; i < 1000; i++) {
        const { info } = await client.createRun(experimentId, { runName: `run ${i}`, startTime: 1_700_000_000_000 + i })
        await client.logBatch(info.runId, {
          metrics: [{ key: 'loss', value: i / 1000, timestamp: 1_700_000_000_000, step: 0 }],
        })
        await client.setTerminated(info.runId, 'FINISHED')
      }
      await open(`#/experiments/${experimentId}`)
      await page.getByText('100+ runs').waitFor()
      // Sorted while it is scrolled: the end that is in sight is the new order's.
      await page.getByRole('columnheader', { name: 'loss' }).getByRole('button').click()
      await page.getByRole('link', { name: 'run 0', exact: true }).waitFor()
      await page.mouse.move(600, 500)
      for (let scrolled = 0; scrolled < 100 && !(await page.getByText('1000 runs').isVisible()); scrolled++) {
        await page.mouse.wheel(0, 6000)
        await page.waitForTimeout(60)
      }
      await page.mouse.wheel(0, 100_000)
      await page.getByRole('link', { name: 'run 999' }).waitFor()
      expect(await page.locator('.grid-row').count()).toBeLessThan(60)
      await keep(page, 'thousand')
    })

    it('a curve of 100,000 points is drawn with its extremes', async () => {
      await using client = createClient({ trackingUri: store })
      await client.setExperiment('long')
      const run = await client.startRun({ runName: 'long' })
      for (let step = 0; step < 100_000; step++)
        run.logMetric('loss', step === 77_777 ? 50 : step === 33_333 ? -40 : Math.cos(step / 500), step)
      await run.end()
      await open(`#/experiments/${run.experimentId}/runs/${run.runId}`)
      await page.getByText('100,000 points').waitFor()
      const told = await page.locator('.chart').getAttribute('aria-label')
      expect(told).toContain('lowest -40, highest 50')
      await keep(page, 'long')
    })

    it('and what is looked at closely comes as fine as it was logged, until one looks at all again', async () => {
      await using client = createClient({ trackingUri: store })
      await client.setExperiment('close')
      const run = await client.startRun({ runName: 'close' })
      for (let step = 0; step < 50_000; step++) run.logMetric('loss', Math.sin(step) + (step === 10_123 ? 7 : 0), step)
      await run.end()
      await open(`#/experiments/${run.experimentId}/runs/${run.runId}`)
      await page.getByText('50,000 points').waitFor()
      const pointsDrawn = async () =>
        Number(/(\d+) points drawn/.exec((await page.locator('.chart').getAttribute('aria-label')) ?? '')?.[1])
      const coarse = await pointsDrawn()
      const { x, y, width, height } = (await page.locator('.u-over').boundingBox()) as Box
      const asked = page.waitForRequest((request) => (request.postData() ?? '').includes('within'))
      const middle = y + height / 2
      await page.mouse.move(x + 0.2 * width, middle)
      await page.mouse.down()
      await page.mouse.move(x + 0.215 * width, middle, { steps: 4 })
      await page.mouse.up()
      const [{ within }] = (await asked).postDataJSON().curves
      expect(within.by).toBe('step')
      // All of the stretch, and the point that lies before it and behind it, in place of the few there were.
      const answer = await ((await (await asked).response()) as Response).json()
      const steps = Array.from(
        { length: Math.floor(within.to) - Math.ceil(within.from) + 3 },
        (_, index) => Math.ceil(within.from) - 1 + index,
      )
      expect(answer.curves[0].step).toEqual(steps)
      await expect.poll(pointsDrawn).toBeGreaterThan(coarse)
      await keep(page, 'close')
      await page.mouse.dblclick(x + width / 2, middle)
      await expect.poll(pointsDrawn).toBe(coarse)
      expect(await page.getByRole('button', { name: 'Show all' }).count()).toBe(0)
      // And so by keyboard: closer, to the side, and back to all.
      await page.locator('.chart').focus()
      for (const key of ['+', '+', '+', '+', 'ArrowRight']) await page.keyboard.press(key)
      await expect.poll(pointsDrawn).toBeGreaterThan(coarse)
      await page.keyboard.press('Escape')
      await expect.poll(pointsDrawn).toBe(coarse)
      expect(await page.getByRole('button', { name: 'Show all' }).count()).toBe(0)
    })
  })

  it('is entered with the token that the server gave, and not without', async () => {
    await using guarded = await startServer({ trackingUri: store, token: 'a-token-of-some-length' })
    expect((await page.goto(`${guarded.trackingUri}/`))?.status()).toBe(401)
    await page.goto(guarded.url)
    await page.getByRole('link', { name: 'churn', exact: true }).waitFor()
    expect(page.url()).not.toContain('token')
    faults.length = 0
  })

  it('says when the server is gone, and no more when it is back', async () => {
    const first = await startServer({ trackingUri: store })
    await page.goto(first.url)
    await page.getByRole('link', { name: 'churn', exact: true }).waitFor()
    await first.close()
    await page.getByRole('link', { name: 'Models' }).click()
    await page.getByRole('status').getByText('The server does not answer').waitFor()
    await using _second = await startServer({ trackingUri: store, port: first.port })
    await page.getByRole('status').getByText('The server does not answer').waitFor({ state: 'detached' })
    faults.length = 0
  })

  it('keeps the colours that were chosen', async () => {
    await open('#/experiments')
    await page.keyboard.press('t')
    await until(`document.documentElement.dataset.theme === 'dark'`)
    await page.reload()
    await until(`document.documentElement.dataset.theme === 'dark'`)
    await page.getByRole('button', { name: 'Light colours' }).click()
    await until(`document.documentElement.dataset.theme === 'light'`)
  })
})
