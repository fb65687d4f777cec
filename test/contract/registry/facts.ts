import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, it } from 'vitest'
import type { Transport } from '../../../src/transport/transport.js'

/** A backend under test; `close` also lets go of what it stands on. */
export interface Made {
  readonly transport: Transport
  close?(): Promise<void>
}
export type Make = () => Promise<Made>

export interface ContractOptions {
  /** What this backend does otherwise: the fact's name, and why. */
  readonly differs?: Readonly<Record<string, string>>
}

export type Call = Transport['call']
export type Fact = (name: string, check: (call: Call) => Promise<void>) => void

/** One group of facts, each checked against a backend of its own; the ones that differ are skipped with their reason. */
export function facts(title: string, make: Make, { differs = {} }: ContractOptions, write: (fact: Fact) => void): void {
  describe(title, () => {
    let made: Made
    beforeEach(async () => {
      made = await make()
    })
    afterEach(async () => {
      await made.transport.close()
      await made.close?.()
    })
    write((name, check) => {
      const reason = differs[name]
      if (reason) it.skip(`${name} (differs: ${reason})`)
      else it(name, () => check((operation, input, options) => made.transport.call(operation, input, options)))
    })
  })
}

/** A name nobody had before, so that a suite can run on a server that others used. */
export const fresh = (stem: string): string => `${stem}-${randomUUID().slice(0, 8)}`

export const byKey = (tags: readonly { key: string; value: string }[]): Record<string, string> =>
  Object.fromEntries(tags.map(({ key, value }) => [key, value]))
