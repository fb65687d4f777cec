import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { once, only, sweepStages } from '../../src/disk/stage.js'
import { AlreadyExistsError } from '../../src/errors.js'
import { tempDir } from '../support/temp-dir.js'

const fill = (text: string) => async (stage: string) => writeFileSync(join(stage, 'x.txt'), text)

describe('filling a directory once', () => {
  it('the directory appears whole, and is not filled again', async () => {
    const dir = join(tempDir(), 'a', 'b')
    await once(dir, async (stage) => {
      await fill('first')(stage)
      expect(existsSync(dir)).toBe(false)
    })
    await once(dir, fill('second'))
    expect(readFileSync(join(dir, 'x.txt'), 'utf8')).toBe('first')
    expect(readdirSync(join(dir, '..'))).toEqual(['b'])
  })

  it('a failed fill leaves nothing', async () => {
    const parent = tempDir()
    const failure = new Error('half way')
    await expect(
      once(join(parent, 'x'), async (stage) => {
        await fill('half')(stage)
        throw failure
      }),
    ).rejects.toBe(failure)
    expect(readdirSync(parent)).toEqual([])
  })

  it('of many that fill at once one wins and none fails', async () => {
    const parent = tempDir()
    const dir = join(parent, 'x')
    await Promise.all(Array.from({ length: 20 }, (_, i) => once(dir, fill(String(i)))))
    expect(readdirSync(parent)).toEqual(['x'])
    expect(readdirSync(dir)).toEqual(['x.txt'])
  })

  it('only: what is there already is an error and stays', async () => {
    const dir = join(tempDir(), 'x')
    mkdirSync(dir)
    await only(dir, fill('mine'))
    await expect(only(dir, fill('other'))).rejects.toBeInstanceOf(AlreadyExistsError)
    expect(readFileSync(join(dir, 'x.txt'), 'utf8')).toBe('mine')
  })

  it('a mode of 0700 holds for the directory and those made above it', async () => {
    const root = tempDir()
    await once(join(root, 'a', 'b'), fill('x'), { mode: 0o700 })
    for (const dir of ['a', 'a/b']) expect(statSync(join(root, dir)).mode & 0o777).toBe(0o700)
  })

  it('sweeps what a dead process left more than a day ago, and nothing else', async () => {
    const parent = tempDir()
    const names = {
      old: '.stage-4194304-00112233aabbccdd',
      young: '.stage-4194304-0000000000000000',
      other: '.stage-x',
    }
    const alive = `.stage-${process.pid}-0011223344556677`
    for (const name of [...Object.values(names), alive]) mkdirSync(join(parent, name))
    const past = new Date(Date.now() - 2 * 86_400_000)
    for (const name of [names.old, names.other, alive]) utimesSync(join(parent, name), past, past)
    expect(await sweepStages(parent)).toBe(1)
    expect(readdirSync(parent).sort()).toEqual([names.young, alive, names.other].sort())
  })
})
