import { expect, it } from 'vitest'
import { UnavailableError } from '../../src/errors.js'
import { diskHealth } from '../../src/run/disk-health.js'

it('a disk that works again is told of by the next run, where the one that had failed is gone', () => {
  const told: string[] = []
  const disk = diskHealth((line) => void told.push(line))
  const [first, second] = [{}, {}]
  disk.fails(first, new UnavailableError('full'))
  disk.fails(second, new UnavailableError('full'))
  disk.forget(first)
  disk.forget(second)
  expect(told).toHaveLength(1)
  const third = {}
  disk.works(third)
  disk.works(third)
  expect(told).toHaveLength(2)
  expect(told[1]).toMatch('takes what is logged again')
})
