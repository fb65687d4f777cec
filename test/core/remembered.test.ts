import { expect, it } from 'vitest'
import { onceFor } from '../../src/core/remembered.js'

it('makes what stands under a key once', () => {
  const known = new Map<string, { readonly of: string }>()
  const make = (of: string) => onceFor(known, of, () => ({ of }))
  expect(make('a')).toBe(make('a'))
  expect(make('b')).toEqual({ of: 'b' })
})

it('is asked once by many at a time, and again after a failure', async () => {
  const known = new Map<string, Promise<number>>()
  let tries = 0
  const ask = () =>
    onceFor(known, 'a', async () => {
      tries++
      if (tries === 1) throw new Error('not yet')
      return tries
    })
  const [first, second] = await Promise.allSettled([ask(), ask()])
  expect([first.status, second.status, tries]).toEqual(['rejected', 'rejected', 1])
  expect(await ask()).toBe(2)
  expect(await ask()).toBe(2)
})

it('keeps what was made anew while a failure was on its way', async () => {
  const known = new WeakMap<object, Promise<number>>()
  const key = {}
  const failing = onceFor(known, key, () => Promise.reject(new Error('late')))
  const anew = Promise.resolve(7)
  known.set(key, anew)
  await expect(failing).rejects.toThrow('late')
  expect(onceFor(known, key, async () => 8)).toBe(anew)
})
