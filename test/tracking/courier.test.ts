import { expect, it } from 'vitest'
import { courier } from '../../src/tracking/courier.js'
import { fileTransport } from '../../src/transport/file/file.js'
import { tempDir } from '../support/temp-dir.js'

it('an end whose answer was lost ends a run once, and not that of another who has resumed it since', async () => {
  const transport = fileTransport({ root: tempDir() })
  const { signal } = new AbortController()
  const { call } = courier({ transport, openArtifacts: () => Promise.reject(new Error('none')) })
  const { run } = await transport.call('createRun', { experiment_id: '0', start_time: 1 })
  const { run_id } = run.info
  const status = async () => (await transport.call('getRun', { run_id })).run.info.status
  const end = { status: 'FINISHED', end_time: 5 }
  await call(run_id, 'updateRun', end, { again: true, signal })
  expect(await status()).toBe('FINISHED')
  await transport.call('updateRun', { run_id, status: 'RUNNING', end_time: 5 })
  await call(run_id, 'updateRun', end, { again: true, signal })
  expect(await status()).toBe('RUNNING')
  await call(run_id, 'updateRun', { ...end, end_time: 6 }, { again: true, signal })
  expect(await status()).toBe('FINISHED')
})
