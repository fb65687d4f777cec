import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const shots = fileURLToPath(new URL('../screenshots', import.meta.url))

/** Keeps a picture of the page for people to look at. */
export async function keep(page: Page, name: string): Promise<void> {
  mkdirSync(shots, { recursive: true })
  await page.screenshot({ path: join(shots, `${name}.png`) })
}

/** What went wrong in a page: uncaught errors, and what its policy had to turn away. */
export function faultsOf(page: Page): string[] {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    // A refused filter is an answer of 400, which the browser notes by itself.
    if (message.type() === 'error' && !message.text().includes('status of 400')) faults.push(message.text())
  })
  return faults
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Finding {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
}

/** Fails when axe finds anything serious in the page as it is. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe)
  const findings = (await page.evaluate('axe.run().then(({ violations }) => violations)')) as Finding[]
  const serious = findings.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  const told = serious.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .slice(0, 3)
        .map((node) => `${node.html}\n${node.failureSummary}`)
        .join('\n')}`,
  )
  expect(told).toEqual([])
}
