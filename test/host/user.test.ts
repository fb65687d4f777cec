import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { systemUser } from '../../src/host/user.js'

it.skipIf(process.platform === 'win32')("the system's user is the one that id names", () => {
  expect(systemUser()).toBe(execFileSync('id', ['-un'], { encoding: 'utf8' }).trim())
})
