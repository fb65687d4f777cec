import { describe, expect, it, vi } from 'vitest'
import { InvalidParameterError, NotFoundError, ProtocolError } from '../../src/errors.js'
import { sender } from '../../src/http/send.js'
import { createClient } from '../../src/index.js'
import { httpTransport } from '../../src/transport/http.js'
import { answering, asJson, rejection } from '../support/answering.js'

async function made(answer: unknown = {}, status = 200) {
  const server = await answering((_, response) => {
    if (typeof answer !== 'string') return asJson(response, answer, status)
    response
      .writeHead(status, { 'content-type': answer.startsWith('<') ? 'text/html' : 'application/json' })
      .end(answer)
  })
  return { server, transport: httpTransport({ send: sender({ url: server.url }) }) }
}

describe('an operation over HTTP', () => {
  it('that reads goes into the query: keys repeated, booleans as words', async () => {
    const { server, transport } = await made({ metrics: [], model: { info: { model_id: 'm-1', experiment_id: '1' } } })
    await transport.call('getMetricHistoryBulk', { run_id: ['a', 'b'], metric_key: 'x y&z/é', max_results: 5 })
    await transport.call('getLoggedModel', { model_id: 'm-1', allow_deleted: true })
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id=a&run_id=b&metric_key=x%20y%26z%2F%C3%A9&max_results=5',
      'GET /api/2.0/mlflow/logged-models/m-1?allow_deleted=true',
    ])
  })

  it('that writes goes as JSON, DELETE included, with the model’s id in path and body', async () => {
    const { server, transport } = await made({})
    await transport.call('deleteRegisteredModel', { name: 'a/b' })
    await transport.call('setLoggedModelTags', { model_id: 'm-1', tags: [{ key: 'a', value: 'b' }] })
    await transport.call('deleteLoggedModelTag', { model_id: 'm-1', tag_key: 'a/b ?#%' })
    expect(server.seen).toMatchObject([
      { method: 'DELETE', body: '{"name":"a/b"}', headers: { 'content-type': 'application/json' } },
      { method: 'PATCH', body: '{"model_id":"m-1","tags":[{"key":"a","value":"b"}]}' },
      { method: 'DELETE', url: '/api/2.0/mlflow/logged-models/m-1/tags/a%2Fb%20%3F%23%25' },
    ])
  })

  it('always sends a limit for histories and experiments', async () => {
    const { server, transport } = await made({})
    await transport.call('getMetricHistory', { run_id: 'r', metric_key: 'm' })
    await transport.call('searchExperiments', {})
    await transport.call('searchExperiments', { max_results: 7 })
    expect(server.seen[0]?.url).toContain('max_results=25000')
    expect(server.seen[1]?.body).toBe('{"max_results":1000}')
    expect(server.seen[2]?.body).toBe('{"max_results":7}')
  })

  it('an id that would change the path is refused', async () => {
    const { server, transport } = await made({})
    for (const model_id of ['', '.', '..', '\ud800'])
      await expect(transport.call('deleteLoggedModel', { model_id })).rejects.toMatchObject({ name: 'UnsafePathError' })
    await transport.call('deleteLoggedModel', { model_id: '../../x' })
    expect(server.seen.map(({ url }) => url)).toEqual(['/api/2.0/mlflow/logged-models/..%2F..%2Fx'])
  })

  it('reads what JSON lacks, whole numbers as text or past 2^53, and keeps unknown fields', async () => {
    const { transport } = await made(
      '{"metrics":[{"key":"m","value":"NaN","timestamp":"17","step":9007199254740993,"new":1},{"key":"m","value":-Infinity,"timestamp":1796056708067123456}],"also":[1]}',
    )
    expect(await transport.call('getMetricHistory', { run_id: 'r', metric_key: 'm' })).toEqual({
      metrics: [
        { key: 'm', value: Number.NaN, timestamp: 17, step: 9007199254740993n, new: 1 },
        { key: 'm', value: Number.NEGATIVE_INFINITY, timestamp: 1796056708067123456n, step: 0 },
      ],
      also: [1],
    })
  })

  it('reads null as absent, words of an enum and versions by their number too, and one that nobody knows as the first', async () => {
    const info = { run_id: 'r', experiment_id: '1', status: 'FINISHED' }
    const bare = { run_name: null, user_id: null, end_time: null, artifact_uri: null }
    const { transport } = await made({
      runs: [
        { info: { ...info, ...bare, status: 3 }, data: null, inputs: null, outputs: null },
        { info: { ...info, status: 'CANCELLING' }, data: { params: [{ key: 'p', value: null }], tags: null } },
        { info, inputs: { dataset_inputs: [{ dataset: { name: 'd', digest: '1' } }] } },
        { info, data: { metrics: [{ key: 'm', value: 1, timestamp: '1e3', step: '1.0' }] } },
        { info, data: { metrics: [{ key: 'm', value: 1, timestamp: null, step: null }] } },
      ],
      model_versions: [
        { name: 'm', version: 1, status: 1, current_stage: null, last_updated_timestamp: null },
        { name: 'm', version: '2', status: 'LATER' },
      ],
      registered_models: [{ name: 'm', aliases: [{ alias: 'champion', version: 1 }] }],
      models: [{ info: { model_id: 'm-1', experiment_id: '1', status: 2 } }],
      experiments: [{ experiment_id: '1', artifact_location: null, last_update_time: null }],
      next_page_token: null,
    })
    const { runs, next_page_token } = await transport.call('searchRuns', { experiment_ids: ['1'] })
    expect(next_page_token).toBeUndefined()
    expect(runs).toMatchObject([
      { info: { run_id: 'r', status: 'FINISHED' }, data: { params: [] } },
      { info: { status: 'RUNNING' }, data: { params: [{ key: 'p', value: '' }] } },
      { inputs: { dataset_inputs: [{ dataset: { source: '', source_type: '' } }] } },
      { data: { metrics: [{ timestamp: 1000, step: 1 }] } },
      { data: { metrics: [{ timestamp: 0, step: 0 }] } },
    ])
    expect((await transport.call('searchModelVersions', {})).model_versions).toMatchObject([
      { version: '1', status: 'PENDING_REGISTRATION', current_stage: 'None' },
      { version: '2', status: 'LATER' },
    ])
    const { registered_models } = await transport.call('searchRegisteredModels', {})
    expect(registered_models[0]?.aliases).toEqual([{ alias: 'champion', version: '1' }])
    const { models } = await transport.call('searchLoggedModels', { experiment_ids: ['1'] })
    expect(models[0]?.info.status).toBe('LOGGED_MODEL_READY')
    expect((await transport.call('searchExperiments', {})).experiments[0]?.artifact_location).toBeUndefined()
  })

  it.each(['1.5', '1e30', '', ' 1', '0x1'])('a step %j is no whole number', async (step) => {
    const { transport } = await made({ metrics: [{ key: 'm', value: 1, timestamp: 1, step }] })
    await expect(transport.call('getMetricHistory', { run_id: 'r', metric_key: 'm' })).rejects.toThrow(ProtocolError)
  })

  it('left out lists are empty ones', async () => {
    const { transport } = await made({})
    expect((await transport.call('searchRuns', { experiment_ids: ['1'] })).runs).toEqual([])
  })

  it.each([
    ['<html><head><title>Sign in</title></head></html>', '"Sign in"'],
    ['', 'nothing'],
    ['[]', '[]'],
    ['null', 'null'],
    ['"text"', 'text'],
    ['{"run":{"info":{"run_id":7}}}', 'run.info.run_id'],
    ['{}', 'run'],
    [`${'['.repeat(100_000)}`, '[['],
  ])('a 200 with %.40s is no success', async (body, words) => {
    const { transport } = await made(body)
    const error = await rejection(transport.call('getRun', { run_id: 'r' }))
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error.message).toContain(words)
    expect(error.retryable).toBe(false)
  })

  it('that the server has not is a NotFoundError of its own code, naming who has it', async () => {
    const { transport } = await made('<title>404 Not Found</title>', 404)
    const error = await rejection(transport.call('createLoggedModel', { experiment_id: '1' }))
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({ code: 'ENDPOINT_NOT_FOUND', status: 404 })
    expect(error.message).toContain('MLflow 3.0')
  })

  it('that the server has not, or a page on the way to it, is neither a success of what removes nor a "there is none"', async () => {
    const { server } = await made('<title>404 Not Found</title>', 404)
    const client = createClient({ trackingUri: server.url })
    const tag = await rejection(client.deleteExperimentTag('1', 'team'))
    expect(tag).toMatchObject({ code: 'ENDPOINT_NOT_FOUND', status: 404 })
    expect(tag.message).toContain('The server has no deleteExperimentTag (MLflow 3.2 and later have it)')
    expect(await rejection(client.getExperimentByName('churn'))).toMatchObject({ code: 'ENDPOINT_NOT_FOUND' })
    await client.close()
  })

  it.each(['RESOURCE_DOES_NOT_EXIST', 'NOT_FOUND'])('what it says is not there (%s) is', async (error_code) => {
    const { server } = await made({ error_code, message: 'no' }, 404)
    const client = createClient({ trackingUri: server.url })
    // The experiment itself, that is; a tag that is not there is success.
    await expect(client.deleteExperimentTag('1', 'team')).rejects.toThrow(NotFoundError)
    expect(await client.getExperimentByName('churn')).toBeUndefined()
    await client.close()
  })

  it('an unset value and a hostile name stay what they are', async () => {
    const { server, transport } = await made(
      JSON.stringify({ registered_model: { name: '__proto__', tags: [{ key: '__proto__' }] } }),
    )
    const read = await transport.call('getRegisteredModel', { name: '__proto__' })
    expect(read.registered_model).toMatchObject({ name: '__proto__', tags: [{ key: '__proto__', value: '' }] })
    await transport.call('updateRegisteredModel', { name: 'm', description: undefined })
    expect(server.seen[1]?.body).toBe('{"name":"m"}')
  })
})

describe('a page', () => {
  const asked = (seen: readonly { readonly url: string; readonly body: string }[]) =>
    seen.map(({ url, body }) => Number(/max_results=(\d+)/.exec(url)?.[1] ?? JSON.parse(body || '{}').max_results))

  it('that is more than is held at once is asked for again with less in it, from then on', async () => {
    const server = await answering(({ body }, response) => {
      const { max_results: most = 1000 } = JSON.parse(body) as { max_results?: number }
      const info = { run_id: 'r', experiment_id: '0' }
      asJson(response, { runs: Array.from({ length: most }, () => ({ info, data: {} })), next_page_token: 't' })
    })
    const transport = httpTransport({ send: sender({ url: server.url, maxAnswerBytes: 10_000 }) })
    for (const _ of [1, 2]) {
      const { runs, next_page_token } = await transport.call('searchRuns', { experiment_ids: ['0'] })
      expect([runs.length, next_page_token]).toEqual([40, 't'])
    }
    await transport.call('searchRuns', { experiment_ids: ['0'], max_results: 5 })
    expect(asked(server.seen)).toEqual([Number.NaN, 40, 40, 5])
  })

  it.each([
    ['MaxResults = 25000 is invalid: MaxResults must be less than 1000.', 999],
    ["Invalid value for parameter 'max_results' supplied. It must be at most 5000, but got value 25000", 1000],
    ['max_results is too large', 1000],
  ])('that the server finds too long is asked for again: %s', async (message, expected) => {
    const server = await answering((_, response, count) =>
      count === 1 ? asJson(response, { error_code: 'BAD_REQUEST', message }, 400) : asJson(response, {}),
    )
    const transport = httpTransport({ send: sender({ url: server.url }) })
    await transport.call('getMetricHistory', { run_id: 'r', metric_key: 'm' })
    expect(asked(server.seen)).toEqual([25_000, expected])
  })

  it('that stays too long, or is wrong in another way, is an error', async () => {
    const { server, transport } = await made({ error_code: 'BAD_REQUEST', message: 'max_results is wrong' }, 400)
    await rejection(transport.call('searchExperiments', {}))
    await rejection(transport.call('searchExperiments', { max_results: 1 }))
    await rejection(transport.call('getExperiment', { experiment_id: '1' }))
    expect(server.seen).toHaveLength(4)
  })
})

describe('a text for which its database has no room', () => {
  const sql = (said: string) => `${said}\n\n[SQL: UPDATE registered_models SET …]\n[parameters: {'description': 'xxx`
  const refused = async (said: string, status = 400) => {
    const { transport } = await made({ error_code: 'BAD_REQUEST', message: sql(said) }, status)
    return {
      run: () => rejection(transport.call('createRun', { experiment_id: '1' })),
      model: () =>
        rejection(
          transport.call('createRegisteredModel', {
            name: 'm',
            description: 'x'.repeat(6),
            tags: [{ key: 'team', value: '😀'.repeat(6) }],
          }),
        ),
    }
  }

  it('is named, with what fits and without SQL', async () => {
    const postgres = '(psycopg2.errors.StringDataRightTruncation) value too long for type character varying(5)'
    const { run, model } = await refused(postgres, 500)
    const error = await model()
    expect(error).toBeInstanceOf(InvalidParameterError)
    expect(error).toMatchObject({ code: 'INVALID_PARAMETER_VALUE', status: 500, retryable: false })
    expect(error).toHaveProperty(
      'message',
      "The server's database has not enough room for one of these: description has 6, tags[team].value has 6 characters where at most 5 fit; shorten it",
    )
    expect(await run()).toHaveProperty(
      'message',
      expect.stringMatching(/room: what the server makes .*artifactLocation/),
    )
    const mysql = await refused(`(pymysql.err.DataError) (1406, "Data too long for column 'run_link' at row 1")`)
    expect(await mysql.model()).toHaveProperty(
      'message',
      "The server's database has not enough room for runLink; shorten it",
    )
  })
})

describe('the server behind it', () => {
  const told = (routes: Record<string, [number, string]>) =>
    answering(({ url }, response) => {
      const [status, body] = routes[url] ?? [404, '<title>404</title>']
      response.writeHead(status).end(body)
    })

  const INFO = '/api/3.0/mlflow/server-info'

  it('is asked for its store, once', async () => {
    const server = await told({ [INFO]: [200, '{"store_type":"SqlStore","workspaces_enabled":true}'] })
    const transport = httpTransport({ send: sender({ url: server.url }) })
    expect(await transport.appendsBlindly()).toBe(false)
    expect(await transport.appendsBlindly()).toBe(false)
    expect(server.seen.map(({ url }) => url)).toEqual([INFO])
  })

  it.each<[string, Record<string, [number, string]>]>([
    ['says that it is one of files', { [INFO]: [200, '{"store_type":"FileStore"}'] }],
    ['does not tell its store, as older ones', {}],
    ['answers with a page', { [INFO]: [200, '<html>'] }],
  ])('that %s is taken for one that appends blindly', async (_, routes) => {
    const { url } = await told(routes)
    expect(await httpTransport({ send: sender({ url }) }).appendsBlindly()).toBe(true)
  })

  it('that wants credentials says so, and is asked again later', async () => {
    let known = false
    const server = await answering((_, response) => void response.writeHead(known ? 404 : 401).end())
    const transport = httpTransport({ send: sender({ url: server.url }) })
    expect(await rejection(transport.appendsBlindly())).toMatchObject({ name: 'UnauthenticatedError' })
    known = true
    expect(await transport.appendsBlindly()).toBe(true)
  })
})

it('an address that is none is refused without showing its credentials', () => {
  for (const url of [
    'localhost:5000',
    'ftp://u:hunter2@x',
    'http://',
    'http://u:hunter2@x/?a=1',
    'https://u:hunter2@x:99999',
  ]) {
    try {
      sender({ url })
      throw new Error(`${url} was taken`)
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidParameterError)
      expect((error as Error).message).not.toContain('hunter2')
    }
  }
})

describe('what is found out once for all who ask', () => {
  it('is not ended for the others by the signal of one, who hears of it at once', async () => {
    const going: (() => void)[] = []
    const server = await answering((_, response) => void going.push(() => asJson(response, { store_type: 'SqlStore' })))
    const transport = httpTransport({ send: sender({ url: server.url }) })
    const gone = new AbortController()
    const first = transport.appendsBlindly({ signal: gone.signal })
    const second = transport.appendsBlindly()
    gone.abort(new Error('changed his mind'))
    await expect(first).rejects.toThrow('changed his mind')
    await vi.waitFor(() => expect(going).toHaveLength(1), 10_000)
    for (const go of going) go()
    expect(await second).toBe(false)
  })
})

describe('a failure with the status of a success', () => {
  it('is what it says', async () => {
    const { transport } = await made({ error_code: 'INTERNAL_ERROR', message: 'the database is gone' })
    await expect(transport.call('logBatch', { run_id: 'r', metrics: [] })).rejects.toMatchObject({
      code: 'INTERNAL_ERROR',
      message: expect.stringContaining('the database is gone'),
    })
  })
})

describe('an answer that calls itself a success', () => {
  it.each([
    ['{"model_version": {"name": "m", "ver', true],
    ['{"model_version": {"name": "m}"}', true],
    ['{', true],
    ['{}}', false],
    ['{answer}', false],
    ['answer', false],
    ['', false],
    ['<html>{', false],
  ])('%j may be asked for again only where its end is missing: %s', async (text, retryable) => {
    const { transport } = await made(text)
    await expect(transport.call('createModelVersion', { name: 'm', source: 's' })).rejects.toMatchObject({
      code: 'PROTOCOL_ERROR',
      retryable,
      message: retryable ? expect.stringContaining('its end is missing') : expect.not.stringContaining('its end'),
    })
  })
})

describe('pages without an end', () => {
  it('are an error, not asked for for ever', async () => {
    const server = await answering((_, response) => asJson(response, { runs: [], next_page_token: 'same' }))
    const client = createClient({ trackingUri: server.url })
    await expect(client.searchRuns({ experimentIds: ['0'] })).rejects.toBeInstanceOf(ProtocolError)
    expect(server.seen).toHaveLength(2)
    await client.close()
  })
})
