import { describe, expect, it } from 'vitest'
import { AlreadyExistsError, InvalidParameterError, NotFoundError } from '../../src/errors.js'
import { churn, LAKE, stand } from './stand.js'

describe('registered models', () => {
  it('are made with tags and description, and read back in our names', async () => {
    const verbs = stand()
    await verbs.createRegisteredModel('churn', { tags: { team: 'growth' }, description: 'who leaves' })
    const model = await verbs.getRegisteredModel('churn')
    expect(model).toMatchObject({ name: 'churn', description: 'who leaves', tags: { team: 'growth' }, aliases: {} })
    expect(model.latestVersions).toEqual([])
    expect(model.creationTimestamp).toBeGreaterThan(1.6e12)
  })

  it('are renamed with their versions, described and deleted', async () => {
    const verbs = stand()
    await churn(verbs, 1)
    expect((await verbs.renameRegisteredModel('churn', 'leavers')).name).toBe('leavers')
    expect((await verbs.getModelVersion('leavers', 1)).name).toBe('leavers')
    expect((await verbs.updateRegisteredModel('leavers', { description: 'new' })).description).toBe('new')
    await verbs.deleteRegisteredModel('leavers')
    await expect(verbs.getRegisteredModel('leavers')).rejects.toBeInstanceOf(NotFoundError)
  })

  it('refuse a name that is taken, and names no URI could hold; no tags are none', async () => {
    const verbs = stand()
    await churn(verbs, 0)
    await expect(verbs.createRegisteredModel('churn')).rejects.toBeInstanceOf(AlreadyExistsError)
    expect((await verbs.createRegisteredModel('bare', { tags: null as never })).tags).toEqual({})
    for (const name of ['', ' ', 'a/b', 'a:b'])
      await expect(verbs.createRegisteredModel(name), name).rejects.toBeInstanceOf(InvalidParameterError)
  })

  it('are searched page by page, all joined up to maxResults', async () => {
    const verbs = stand()
    for (const name of ['a', 'b', 'c', 'd']) await churn(verbs, 0, name)
    const names: string[] = []
    for await (const { name } of verbs.iterateRegisteredModels({ maxResults: 3 })) names.push(name)
    expect(names).toEqual(['a', 'b', 'c', 'd'])
    const found = await verbs.searchRegisteredModels({ filter: "name LIKE '%'", orderBy: ['name DESC'], maxResults: 2 })
    expect(found.map(({ name }) => name)).toEqual(['d', 'c'])
    await expect(verbs.searchRegisteredModels({ filter: 'name ==' })).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(verbs.iterateRegisteredModels({ maxResults: 0 })[Symbol.asyncIterator]().next()).rejects.toThrow(
      /maxResults is 0/,
    )
  })

  it('hold tags; deleting an absent one is success, a model that is absent is not', async () => {
    const verbs = stand()
    await churn(verbs, 0)
    await verbs.setRegisteredModelTag('churn', 'team', 'growth')
    expect((await verbs.getRegisteredModel('churn')).tags).toEqual({ team: 'growth' })
    await verbs.deleteRegisteredModelTag('churn', 'team')
    await verbs.deleteRegisteredModelTag('churn', 'team')
    expect((await verbs.getRegisteredModel('churn')).tags).toEqual({})
    await expect(verbs.setRegisteredModelTag('nobody', 'team', 'x')).rejects.toBeInstanceOf(NotFoundError)
    await expect(verbs.setRegisteredModelTag('churn', 'a//b', 'x')).rejects.toBeInstanceOf(InvalidParameterError)
  })

  it('hold tags that are texts as those of runs are, and versions too', async () => {
    const verbs = stand()
    const tags = { list: [1, 2], none: null } as never
    await verbs.createRegisteredModel('churn', { tags })
    const { version } = await verbs.createModelVersion('churn', LAKE, { tags })
    await verbs.setRegisteredModelTag('churn', 'on', { a: true } as never)
    expect((await verbs.getRegisteredModel('churn')).tags).toEqual({ list: '[1,2]', on: '{"a":true}' })
    expect((await verbs.getModelVersion('churn', version)).tags).toEqual({ list: '[1,2]' })
  })

  it('hold aliases that move', async () => {
    const verbs = stand()
    await churn(verbs, 2)
    await verbs.setRegisteredModelAlias('churn', 'champion', '1')
    await verbs.setRegisteredModelAlias('churn', 'champion', 2)
    expect((await verbs.getModelVersionByAlias('churn', 'champion')).version).toBe('2')
    expect((await verbs.getRegisteredModel('churn')).aliases).toEqual({ champion: '2' })
    await verbs.deleteRegisteredModelAlias('churn', 'champion')
    await expect(verbs.getModelVersionByAlias('churn', 'champion')).rejects.toBeInstanceOf(InvalidParameterError)
    await expect(verbs.setRegisteredModelAlias('churn', 'latest', 1)).rejects.toThrow(/reserved/)
  })

  it('answer the newest version of the stages asked for', async () => {
    const verbs = stand()
    await churn(verbs, 3)
    await verbs.transitionStage('churn', 1, 'production')
    const versions = async (stages?: string[]) =>
      (await verbs.getLatestVersions('churn', stages)).map(({ version }) => version).sort()
    expect(await versions(['PRODUCTION'])).toEqual(['1'])
    expect(await versions()).toEqual(['1', '3'])
    await expect(versions(['Prod'])).rejects.toBeInstanceOf(InvalidParameterError)
  })
})
