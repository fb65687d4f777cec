import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.js'
import { hasChromium } from '../support/chromium.js'
import { tempDir } from '../support/temp-dir.js'
import { expectAccessible, keep } from './browser.js'
import { type Opened, opensPages } from './opened.js'

const store = join(tempDir(), 'mlruns')
let page: Page
let open: Opened['open']

/** A run by itself, in an experiment of its own. */
async function aRun(name: string) {
  await using client = createClient({ trackingUri: store })
  const { experimentId } = await client.setExperiment(name)
  const run = await client.startRun({ runName: name, tags: { team: 'growth' } })
  run.logMetric('loss', 0.5, 1)
  await run.end()
  return { experimentId, runId: run.runId, at: `#/experiments/${experimentId}/runs/${run.runId}` }
}

async function tagsOf(runId: string) {
  await using client = createClient({ trackingUri: store })
  return (await client.getRun(runId)).data.tags
}

describe.skipIf(!hasChromium)('what is changed on the page', () => {
  opensPages(store, (opened) => {
    ;({ page, open } = opened)
  })

  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
  const dialog = () => page.getByRole('dialog')
  const confirm = (name: string) => dialog().getByRole('button', { name, exact: true }).click()

  it('a run is deleted when that is confirmed, is among the deleted then, and comes back', async () => {
    const { experimentId, at } = await aRun('to-delete')
    await open(at)
    await press('Delete …')
    await dialog().waitFor()
    await keep(page, 'delete')
    await expectAccessible(page)
    await confirm('Cancel')
    expect(await page.getByText('This run is deleted.').count()).toBe(0)
    await press('Delete …')
    await confirm('Delete')
    await page.getByText('This run is deleted.').waitFor()
    await open(`#/experiments/${experimentId}`)
    await page.getByText('No runs yet').waitFor()
    await press('Deleted')
    await page.getByText('1 deleted run').waitFor()
    await page.getByLabel('Tick to-delete').check()
    await press('Restore 1')
    await page.getByText('No run has been deleted.').waitFor()
    await press('Deleted')
    await page.getByRole('link', { name: 'to-delete' }).nth(0).waitFor()
  })

  it('several runs are deleted at once from the table', async () => {
    const { experimentId } = await aRun('several')
    await aRun('several')
    await open(`#/experiments/${experimentId}`)
    await page.getByText('2 runs').waitFor()
    await page.getByLabel('Tick all loaded runs').check()
    await press('Delete 2 …')
    await confirm('Delete')
    await page.getByText('No runs yet').waitFor()
  })

  it('an experiment is deleted when that is confirmed, and comes back', async () => {
    await aRun('whole-experiment')
    await open('#/experiments')
    await press('Delete whole-experiment')
    await keep(page, 'delete-experiment')
    await expectAccessible(page)
    await confirm('Delete')
    await page.getByRole('link', { name: 'whole-experiment' }).waitFor({ state: 'detached' })
    await press('Deleted')
    await keep(page, 'experiments-deleted')
    await press('Restore whole-experiment')
    await page.getByText('No experiment has been deleted.').waitFor()
    await press('Deleted')
    await page.getByRole('link', { name: 'whole-experiment' }).waitFor()
  })

  it('what is refused is said in the question, which stays', async () => {
    await aRun('to-refuse')
    await open('#/experiments')
    expect(await page.getByRole('button', { name: 'Delete Default' }).count()).toBe(0)
    await press('Delete to-refuse')
    await page.route('**/experiments/delete', (route) =>
      route.fulfill({ status: 400, json: { error_code: 'INVALID_PARAMETER_VALUE', message: 'Not this one' } }),
    )
    await confirm('Delete')
    await dialog().getByRole('alert').getByText('Not this one').waitFor()
    await keep(page, 'refused')
  })

  it('a note is written, changed and taken away', async () => {
    const { runId, at } = await aRun('noted')
    await open(at)
    await press('Add a note')
    await page.getByLabel('What is there to say').fill('the first that works\n<b>really</b>')
    await keep(page, 'edit-note')
    await expectAccessible(page)
    await confirm('Save')
    await page.locator('p.note').getByText('<b>really</b>').waitFor()
    expect((await tagsOf(runId))['mlflow.note.content']).toBe('the first that works\n<b>really</b>')
    await press('Edit note')
    await page.getByLabel('What is there to say').fill('')
    await confirm('Save')
    await page.getByRole('button', { name: 'Add a note' }).waitFor()
    expect(await tagsOf(runId)).not.toHaveProperty(['mlflow.note.content'])
  })

  it('tags are added, changed and removed', async () => {
    const { runId, at } = await aRun('tagged')
    await open(`${at}/details`)
    await press('Add a tag')
    await page.getByLabel('Name').fill('reviewed by')
    await page.getByLabel('Value').fill('ada')
    await confirm('Save')
    await page.getByRole('rowheader', { name: 'reviewed by' }).waitFor()
    await press('Edit the tag team')
    await page.getByLabel('Value').fill('core')
    await keep(page, 'edit-tag')
    await expectAccessible(page)
    await confirm('Save')
    await page.getByRole('cell', { name: 'core' }).waitFor()
    expect(await tagsOf(runId)).toMatchObject({ 'reviewed by': 'ada', team: 'core' })
    await press('Edit the tag team')
    await confirm('Remove …')
    await page.getByText('The run loses its tag team.').waitFor()
    await confirm('Remove')
    await page.getByRole('rowheader', { name: 'team' }).waitFor({ state: 'detached' })
    expect(await tagsOf(runId)).not.toHaveProperty('team')
    await keep(page, 'tags')
    await expectAccessible(page)
  })

  it('models beyond the first 200 come when they are asked for', async () => {
    await using client = createClient({ trackingUri: store })
    for (let index = 0; index < 230; index++)
      await client.createRegisteredModel(`model-${String(index).padStart(3, '0')}`)
    await open('#/models')
    await page.getByText('200+').waitFor()
    await press('More models')
    await page.getByRole('link', { name: 'model-229' }).waitFor()
    await page.getByText('230', { exact: true }).waitFor()
    expect(await page.getByRole('button', { name: 'More models' }).count()).toBe(0)
    expect(await page.getByRole('link', { name: /^model-/ }).count()).toBe(230)
    await page.getByLabel('Search models').fill('model-22')
    await page.getByText('10', { exact: true }).waitFor()
  })
})
