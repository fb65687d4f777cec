import { expect, it, vi } from 'vitest'

it('what is evaluated anew each time, as by a hot reload, is forgotten once it has no runs', async () => {
  const copies = () => Reflect.get(globalThis, Symbol.for('cairn-ml.exit 1')) as Map<unknown, unknown>
  for (let n = 0; n < 3; n++) {
    vi.resetModules()
    const { beginBeforeExit } = await import('../../src/run/exit.js')
    await beginBeforeExit(async () => expect(copies().size).toBe(1))
  }
  expect(copies().size).toBe(0)
})
