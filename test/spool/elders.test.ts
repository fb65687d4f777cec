import { mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { UnavailableError } from '../../src/errors.js'
import { eldersAmong } from '../../src/spool/elders.js'
import { PARENT_FIRST } from '../../src/spool/failures.js'
import { openLog, segmentFile } from '../../src/spool/log.js'
import { claimOf } from '../../src/spool/owner.js'
import { newRunDir, runDirs, serverPlace } from '../../src/spool/place.js'
import { replay } from '../../src/spool/replay.js'
import { serverState } from '../../src/spool/server.js'
import type { NewRun } from '../../src/spool/steps.js'
import { nameOf } from '../../src/spool/whose.js'
import { tempDir } from '../support/temp-dir.js'

const run = { runId: 'ours', local: true }
const empty = () => serverPlace(join(tempDir(), 'spool'), 'http://127.0.0.1:1')

it.each([
  ['ten years ahead', Date.now() + 10 * 365 * 86_400_000],
  ['at its zero', 300_000],
])('the folders of a run are in order though its clock stood %s', (_, stamp) => {
  const place = empty()
  const made = newRunDir(place, run)
  const odd = join(dirname(made), nameOf(stamp, 'ours', '00'))
  renameSync(made, odd)
  const dirs = [odd]
  for (let n = 0; n < 3; n++) dirs.push(newRunDir(place, run, [...dirs]))
  expect(runDirs(place)).toEqual(dirs)
})

it('a run whose folders are out of order, as older versions left them, is made first', async () => {
  const place = empty()
  const leave = (create: Partial<NewRun>, value: string) => {
    const dir = newRunDir(place, run)
    const log = openLog(dir)
    log.steps([{ create: { startTime: 1, tags: [], ...create } }, { tag: { key: 'epoch', value } }])
    log.close()
    claimOf(dir, 0).release()
  }
  leave({ begunAs: 'ours' }, 'new')
  leave({ begunAs: 'ours' }, 'newer')
  leave({}, 'old')
  const sent: unknown[] = []
  let isMade = false
  const done = await replay(place, {
    courier: {
      async create({ begunAs }) {
        if (begunAs === undefined) isMade = true
        if (!isMade) throw new UnavailableError('not made', { code: PARENT_FIRST, notSent: true })
        return 'theirs'
      },
      batch: async (_, { tags }) => void sent.push(...tags.map(({ value }) => value)),
      call: async () => {},
      artifact: async () => {},
    },
    server: serverState({ dir: place.dir }),
    hurry: true,
    signal: AbortSignal.timeout(4_000),
  })
  expect(done.map(({ complete }) => complete)).toEqual([true, true, true])
  expect(sent).toEqual(['old', 'new', 'newer'])
})

it('a folder whose log cannot be read keeps no other from its turn', () => {
  const place = empty()
  const dirs = [newRunDir(place, run)]
  for (let n = 0; n < 2; n++) dirs.push(newRunDir(place, run, [...dirs]))
  // A folder in its place stands for what a disk may say.
  mkdirSync(segmentFile(dirs[0]!, 0))
  expect(eldersAmong(place, dirs)(dirs[0]!)).toEqual([dirs[1]])
})
