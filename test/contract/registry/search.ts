import { expect } from 'vitest'
import { InvalidParameterError } from '../../../src/errors.js'
import { type Call, type ContractOptions, facts, fresh, type Make } from './facts.js'

const LAKE = 's3://lake/models'

/** Three models of one stem, each with a tag, the first with two versions. */
async function three(call: Call): Promise<{ stem: string; names: string[] }> {
  const stem = fresh('churn')
  const names = ['a', 'b', 'c'].map((letter) => `${stem}-${letter}`)
  for (const [at, name] of names.entries())
    await call('createRegisteredModel', { name, tags: [{ key: 'rank x', value: String(at) }] })
  return { stem, names }
}

const named = (found: { registered_models: { name: string }[] }): string[] =>
  found.registered_models.map(({ name }) => name)

export function registrySearchFacts(make: Make, options: ContractOptions): void {
  facts('searches of the registry', make, options, (fact) => {
    fact('models are found by name and tag, sorted by name', async (call) => {
      const { stem, names } = await three(call)
      const find = async (filter: string, order_by?: string[]): Promise<string[]> =>
        named(await call('searchRegisteredModels', { filter, ...(order_by ? { order_by } : {}) }))
      expect(await find(`name LIKE '${stem}%'`)).toEqual(names)
      expect(await find(`name ILIKE '${stem.toUpperCase()}%'`)).toEqual(names)
      expect(await find(`name = '${names[1]}'`)).toEqual([names[1]])
      expect(await find(`name LIKE '${stem}%' AND tags.\`rank x\` != '1'`)).toEqual([names[0], names[2]])
      expect(await find(`name LIKE '${stem}%' and tag."rank x" = '2'`)).toEqual([names[2]])
      expect(await find(`name LIKE '${stem}%' AND tags.absent != 'x'`)).toEqual([])
      expect(await find(`name LIKE '${stem}%'`, ['name DESC'])).toEqual([...names].reverse())
    })

    fact('pages of models follow one another and end', async (call) => {
      const { stem, names } = await three(call)
      const filter = `name LIKE '${stem}%'`
      const first = await call('searchRegisteredModels', { filter, max_results: 2 })
      expect(named(first)).toEqual(names.slice(0, 2))
      const { next_page_token } = first
      expect(next_page_token).toMatch(/./)
      const second = await call('searchRegisteredModels', {
        filter,
        max_results: 2,
        ...(next_page_token ? { page_token: next_page_token } : {}),
      })
      expect(named(second)).toEqual(names.slice(2))
      expect(second.next_page_token || undefined).toBeUndefined()
    })

    fact('a found model shows tags, aliases and latest versions', async (call) => {
      const { names } = await three(call)
      const name = names[0] ?? ''
      await call('createModelVersion', { name, source: LAKE })
      await call('setRegisteredModelAlias', { name, alias: 'champion', version: '1' })
      const found = await call('searchRegisteredModels', { filter: `name = '${name}'` })
      expect(found.registered_models).toMatchObject([
        {
          name,
          tags: [{ key: 'rank x', value: '0' }],
          aliases: [{ alias: 'champion', version: '1' }],
          latest_versions: [{ version: '1', current_stage: 'None' }],
        },
      ])
    })

    fact('prompts are hidden unless the filter speaks of them', async (call) => {
      const stem = fresh('p')
      await call('createRegisteredModel', { name: `${stem}-model` })
      const tags = [{ key: 'mlflow.prompt.is_prompt', value: 'true' }]
      await call('createRegisteredModel', { name: `${stem}-prompt`, tags })
      const find = async (filter: string): Promise<string[]> => named(await call('searchRegisteredModels', { filter }))
      expect(await find(`name LIKE '${stem}%'`)).toEqual([`${stem}-model`])
      expect(await find(`name LIKE '${stem}%' AND tags.\`mlflow.prompt.is_prompt\` = 'true'`)).toEqual([
        `${stem}-prompt`,
      ])
    })

    fact('versions are found by model, run, number, source and tag', async (call) => {
      const { names } = await three(call)
      const name = names[0] ?? ''
      const run_id = 'a'.repeat(32)
      await call('createModelVersion', { name, source: `${LAKE}/one`, run_id })
      await call('createModelVersion', { name, source: `${LAKE}/two`, tags: [{ key: 'auc', value: '0.9' }] })
      await call('createModelVersion', { name, source: `${LAKE}/three` })
      const find = async (rest: string, order_by?: string[]): Promise<string[]> => {
        const filter = `name = '${name}'${rest}`
        const found = await call('searchModelVersions', { filter, ...(order_by ? { order_by } : {}) })
        return found.model_versions.map(({ version }) => version)
      }
      expect(await find('', ['version_number ASC'])).toEqual(['1', '2', '3'])
      expect(await find('', ['version_number DESC'])).toEqual(['3', '2', '1'])
      expect(await find(` AND run_id = '${run_id}'`)).toEqual(['1'])
      expect(await find(` AND version_number >= 2`, ['version_number ASC'])).toEqual(['2', '3'])
      expect(await find(` AND source_path = '${LAKE}/two'`)).toEqual(['2'])
      expect(await find(` AND tags.auc = '0.9'`)).toEqual(['2'])
    })

    fact('pages of versions follow one another and end', async (call) => {
      const { names } = await three(call)
      const name = names[0] ?? ''
      for (let i = 0; i < 3; i++) await call('createModelVersion', { name, source: LAKE })
      const seen: string[] = []
      let page_token: string | undefined
      do {
        const found = await call('searchModelVersions', {
          filter: `name = '${name}'`,
          order_by: ['version_number ASC'],
          max_results: 1,
          ...(page_token ? { page_token } : {}),
        })
        expect(found.model_versions).toHaveLength(1)
        seen.push(...found.model_versions.map(({ version }) => version))
        page_token = found.next_page_token || undefined
      } while (page_token)
      expect(seen).toEqual(['1', '2', '3'])
    })

    fact('a filter, sort key or page token that is wrong is refused', async (call) => {
      const wrong = [
        { filter: "name = 'a' OR name = 'b'" },
        { filter: 'name = a b' },
        { filter: 'metrics.auc > 0.1' },
        { order_by: ['nothing ASC'] },
        { page_token: 'never given' },
      ]
      for (const input of wrong) {
        const what = JSON.stringify(input)
        await expect(call('searchRegisteredModels', input), what).rejects.toBeInstanceOf(InvalidParameterError)
        await expect(call('searchModelVersions', input), what).rejects.toBeInstanceOf(InvalidParameterError)
      }
      await expect(call('searchModelVersions', { max_results: 0 })).rejects.toBeInstanceOf(InvalidParameterError)
    })

    fact('a page of more models or versions than there may be is refused', async (call) => {
      await expect(call('searchRegisteredModels', { max_results: 1001 })).rejects.toBeInstanceOf(InvalidParameterError)
      await expect(call('searchModelVersions', { max_results: 200_001 })).rejects.toBeInstanceOf(InvalidParameterError)
    })

    fact('a page of no models is refused', async (call) => {
      await expect(call('searchRegisteredModels', { max_results: 0 })).rejects.toBeInstanceOf(InvalidParameterError)
    })
  })
}
