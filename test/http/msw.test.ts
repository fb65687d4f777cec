import { HttpResponse, http } from 'msw'
import { expect, it } from 'vitest'
import { createClient, InvalidParameterError, PermissionDeniedError } from '../../src/index.js'
import { MswDispatcher } from '../support/msw-dispatcher.js'

const base = 'http://mlflow.test'
const api = `${base}/api/2.0/mlflow`
const clientOf = (...handlers: ConstructorParameters<typeof MswDispatcher>[0]) =>
  createClient({ trackingUri: base, dispatcher: new MswDispatcher(handlers), retry: { maxRetries: 0 } })

it('a client given a dispatcher sends all its requests there, and reads what comes back', async () => {
  const asked: unknown[] = []
  const client = clientOf(
    http.post(`${api}/runs/search`, async ({ request }) => {
      asked.push(await request.json())
      const info = { run_id: 'a'.repeat(32), experiment_id: '1', status: 'FINISHED' }
      return HttpResponse.json({ runs: [{ info, data: { metrics: [{ key: 'auc', value: 'NaN', timestamp: '5' }] } }] })
    }),
  )
  const [run] = await client.searchRuns({ experimentIds: ['1'], filter: "tags.a = 'b'", maxResults: 5 })
  expect(run?.data.metrics).toEqual({ auc: Number.NaN })
  expect(asked).toEqual([
    { experiment_ids: ['1'], filter: "tags.a = 'b'", max_results: 5, run_view_type: 'ACTIVE_ONLY' },
  ])
})

it('what a server says is wrong becomes our error, with its code and status', async () => {
  const client = clientOf(
    http.get(`${api}/runs/get`, () =>
      HttpResponse.json({ error_code: 'INVALID_PARAMETER_VALUE', message: 'no such thing' }, { status: 400 }),
    ),
    http.get(`${api}/experiments/get`, () => new HttpResponse('Permission denied', { status: 403 })),
  )
  const wrong: unknown = await client.getRun('b'.repeat(32)).catch((error: unknown) => error)
  expect(wrong).toBeInstanceOf(InvalidParameterError)
  expect(wrong).toMatchObject({ code: 'INVALID_PARAMETER_VALUE', status: 400, retryable: false })
  await expect(client.getExperiment('1')).rejects.toThrow(PermissionDeniedError)
})
