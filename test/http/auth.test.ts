import { describe, expect, it } from 'vitest'
import { databricksProfile, mlflowCredentials } from '../../src/core/ini.js'
import { InvalidParameterError } from '../../src/errors.js'
import type { Auth, AuthRequest } from '../../src/http/auth.js'
import { sender } from '../../src/http/send.js'
import { answering, asJson, rejection } from '../support/answering.js'

const get = { method: 'GET', path: '/x?y=1' } as const
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

async function sent(options: Omit<Parameters<typeof sender>[0], 'url'>, prefix = '') {
  const server = await answering((_, response) => asJson(response, {}))
  const send = sender({ url: server.url.replace('//', `//${prefix}`), ...options })
  await send.text(get)
  return server.seen[0]?.headers.authorization
}

describe('authentication', () => {
  it('by user and password, in UTF-8', async () => {
    expect(await sent({ auth: { username: 'ann', password: 'pä:ss' } })).toBe(basic('ann:pä:ss'))
  })

  it('by token, which loses the white space a file ends with', async () => {
    expect(await sent({ auth: { token: ' abc.def\n' } })).toBe('Bearer abc.def')
  })

  it('by credentials in the address, which are decoded, and given ones win', async () => {
    expect(await sent({}, 'a%40b:p%3Aw@')).toBe(basic('a@b:p:w'))
    expect(await sent({ auth: { token: 't' } }, 'a:b@')).toBe('Bearer t')
  })

  it('by a function of the user’s, which sees the request and may take its time', async () => {
    const asked: AuthRequest[] = []
    const server = await answering((_, response) => asJson(response, {}))
    const send = sender({
      url: server.url,
      auth: async (request) => {
        asked.push(request)
        return { Authorization: 'Signed 1', 'X-Date': 'now' }
      },
    })
    await send.text({ method: 'POST', path: '/x?y=1', body: '{}' })
    expect(asked).toMatchObject([{ method: 'POST', url: `${server.url}/x?y=1`, body: '{}' }])
    expect(server.seen[0]?.headers).toMatchObject({ authorization: 'Signed 1', 'x-date': 'now' })
  })

  it.each([
    ['Headers', new Headers({ Authorization: 'Signed 1' })],
    ['a Map', new Map([['Authorization', 'Signed 1']])],
  ])('by a function that gives %s', async (_, headers) => {
    expect(await sent({ auth: () => headers })).toBe('Signed 1')
  })

  it.each([
    ['an array', [['authorization', 'secret']]],
    ['a set', new Set(['secret'])],
    ['a date', new Date()],
    ['a text', 'secret'],
    ['nothing', undefined],
  ])('by a function that gives %s is refused', async (_, given) => {
    const send = sender({ url: 'http://localhost:1', auth: () => given as never })
    const error = await rejection(send.text(get))
    expect(error).toMatchObject({ name: 'InvalidParameterError' })
    expect(error.message).toBe('The auth function has to return a record of headers')
  })

  it.each([
    ['an error, by its kind alone', Object.assign(new TypeError('secret'), { code: 'EVAULT' }), ' (TypeError, EVAULT)'],
    ['something else', 'secret', ''],
  ])('by a function that throws %s', async (_, thrown, kind) => {
    const send = sender({ url: 'http://localhost:1', auth: () => Promise.reject(thrown) })
    const error = await rejection(send.text(get))
    expect(error).toMatchObject({ name: 'UnauthenticatedError', cause: thrown })
    expect(error.message).toBe(`The auth function failed${kind}; its own error is the cause`)
  })

  it.each<[string, { path?: string; auth?: Auth }, string]>([
    ['in the address', { path: 'ann:wrong@' }, 'check the user and password in the address of the server'],
    ['of a function', { auth: () => ({ authorization: 'Bearer wrong' }) }, 'check what the auth function gives'],
    ['that were given', { auth: { token: 'wrong' } }, 'check MLFLOW_TRACKING_USERNAME and'],
  ])(
    'that a server does not take says what to check of credentials %s',
    async (_, { path = '', ...options }, words) => {
      const server = await answering((_seen, response) => void response.writeHead(401).end('no'))
      const send = sender({ url: server.url.replace('//', `//${path}`), ...options })
      const error = await rejection(send.text(get))
      expect(error.message).toContain(words)
      expect(error.message).not.toContain('wrong')
    },
  )

  it('is asked for again once after a 401, and not twice', async () => {
    let token = 0
    const auth = () => ({ authorization: `Bearer t${++token}` })
    const server = await answering((seen, response) => {
      asJson(response, {}, seen.headers.authorization === 'Bearer t2' ? 200 : 401)
    })
    const send = sender({ url: server.url, auth })
    expect((await send.text(get)).status).toBe(200)
    expect(await rejection(send.text(get))).toMatchObject({ name: 'UnauthenticatedError' })
    expect(token).toBe(4)
  })

  it('goes to another host only without any header of ours', async () => {
    const other = await answering((_, response) => asJson(response, {}))
    const send = sender({ url: 'http://localhost:1', auth: { token: 'secret' }, headers: { 'x-api-key': 'key' } })
    await send.text({ ...get, origin: other.url })
    expect(other.seen[0]?.headers.authorization).toBeUndefined()
    expect(other.seen[0]?.headers['x-api-key']).toBeUndefined()
  })

  it.each(['a\nb', 'a\r\nX-Evil: 1', 'tök€n', 'a\u0000b'])(
    'a token that no header can carry is refused without being shown: %j',
    async (token) => {
      const secret = `hunter2${token}`
      const error = (() => {
        try {
          sender({ url: 'http://localhost:1', auth: { token: secret } })
        } catch (thrown) {
          return thrown as Error
        }
        throw new Error('it was taken')
      })()
      expect(error.name).toBe('InvalidParameterError')
      expect(`${error.message}${error.stack}`).not.toContain('hunter2')
    },
  )

  const OURS = ['Content-Length', 'expect', 'Keep-Alive', 'transfer-encoding', 'upgrade']
  it.each(OURS)('the header %s, which is for each request to set, is refused by its name', async (name) => {
    const headers = { [name]: '3' }
    expect(() => sender({ url: 'http://localhost:1', headers })).toThrow(
      `The header ${name} from the headers option cannot be given`,
    )
    const error = await rejection(sender({ url: 'http://localhost:1', auth: () => headers }).text(get))
    expect(error).toMatchObject({ name: 'InvalidParameterError' })
    expect(error.message).toContain(`The header ${name} from the auth function cannot be given`)
  })

  it('a function may give back all that it saw with what it adds', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const auth = ({ headers }: AuthRequest) => ({ ...headers, authorization: 'Signed 1' })
    const send = sender({ url: server.url, auth })
    await send.text({ method: 'POST', path: '/x', body: '{}', headers: { 'content-type': 'application/json' } })
    expect(server.seen[0]).toMatchObject({
      body: '{}',
      headers: { authorization: 'Signed 1', 'content-type': 'application/json' },
    })
  })

  it.each<[string, object]>([
    ['the headers option', { headers: { 'Content-Type': 'text/plain' } }],
    ['a function', { auth: () => ({ 'Content-Type': 'text/plain' }) }],
    [
      'a function, with the length of the body',
      { auth: () => ({ 'content-type': 'text/plain', 'Content-Length': 2 }) },
    ],
  ])('a content type from %s is passed over: each request has its own', async (_, options) => {
    const server = await answering((_seen, response) => asJson(response, {}))
    const send = sender({ url: server.url, ...options })
    await send.text({ method: 'POST', path: '/x', body: '{}', headers: { 'content-type': 'application/json' } })
    expect(server.seen[0]).toMatchObject({ body: '{}', headers: { 'content-type': 'application/json' } })
  })

  it('a header that undici will not carry is no outage', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const send = sender({ url: server.url, headers: { connection: 'of my own' } })
    expect(await rejection(send.text(get))).toMatchObject({ name: 'NetworkError', retryable: false })
  })

  it('a token that is too long for a server is sent, and its refusal tells of it without showing it', async () => {
    const server = await answering((_, response) => asJson(response, {}))
    const token = 'hunter2'.repeat(2_500)
    const error = await rejection(sender({ url: server.url, auth: { token } }).text(get))
    expect(error).toMatchObject({ name: 'ProtocolError', status: 431 })
    expect(error.message).toContain('a token, or the headers option, is very long')
    expect(error.message).not.toContain('hunter2')
    expect(await sent({ auth: { token: 'a b' } })).toBe('Bearer a b')
  })

  it('over plain http to another machine is warned about once', () => {
    const warnings: string[] = []
    const warn = (message: string) => void warnings.push(message)
    sender({ url: 'http://u:secret@mlflow.example:5000', warn })
    sender({ url: 'http://u:p@127.0.0.1:5000', warn })
    sender({ url: 'https://u:p@mlflow.example', warn })
    expect(warnings).toEqual(['Credentials go to http://mlflow.example:5000 unencrypted; use https://'])
  })
})

describe('credential files', () => {
  it('MLflow’s gives user and password, expanding no variable of the environment', () => {
    const text =
      '; c\n[other]\nmlflow_tracking_username = no\n[mlflow]\nMLFLOW_TRACKING_USERNAME = ann\nmlflow_tracking_password=a=b$HOME%x # y\n'
    expect(mlflowCredentials(text)).toEqual({ username: 'ann', password: 'a=b$HOME%x # y' })
    expect(mlflowCredentials('')).toEqual({})
  })

  it.each([
    ['two % are one', 'password = a%%b%%%%c', 'a%b%%c'],
    ['one % alone, which Python refuses, is one', 'password = a%b%', 'a%b%'],
    ['what is indented goes on', 'password = ab\n  cd\n\n\t[e]=f\n# no\n\n', 'ab\ncd\n\n[e]=f'],
    ['what stands as deep as its key does not', '  password = ab\n  other = c', 'ab'],
    ['a first line may be empty', 'password =\n  hidden', '\nhidden'],
  ])('MLflow’s is read as Python’s configparser reads it: %s', (_, text, password) => {
    const named = text.replace('password', 'mlflow_tracking_password')
    expect(mlflowCredentials(`[mlflow]\n${named}\n[other]\nx = y`)).toEqual({ password })
  })

  const nested = (depth: number) =>
    `${Array.from({ length: depth }, (_, n) => `n${n} = %(n${n + 1})s%%`).join('\n')}\nn${depth} = end\nP = %(n0)s`
  const read = (text: string) =>
    mlflowCredentials(text.replace(/\b[UP]\b/g, (key) => `mlflow_tracking_${key === 'U' ? 'username' : 'password'}`))

  // As the configparser of Python 3.11 answers.
  it.each([
    ['[DEFAULT]\nU = ann\n[mlflow]\nP = pw', { username: 'ann', password: 'pw' }],
    ['[mlflow]\nP = own\n[DEFAULT]\nU = ann\nP = other', { username: 'ann', password: 'own' }],
    ['[DEFAULT]\nP = other\nU = ann\n[mlflow]\nP =', { username: 'ann' }],
    ['[DEFAULT]\nU = ann\nP = pw', {}],
    ['[default]\nU = ann\n[mlflow]\nP = pw', { password: 'pw' }],
    [
      '[DEFAULT]\nteam = blue\n[mlflow]\nU = ann-%(team)s\nP = %(Team)s%%%(MLFLOW_tracking_username)s!',
      { username: 'ann-blue', password: 'blue%ann-blue!' },
    ],
    ['[DEFAULT]\nteam = blue\nP = %(team)s\n[mlflow]\nteam = red', { password: 'red' }],
    ['[mlflow]\nP = %%(team)s', { password: '%(team)s' }],
    ['[mlflow]\na = %%(b)s\nP = %(a)s', { password: '%(b)s' }],
    ['[mlflow]\na = x\n  y\nP = %(a)s', { password: 'x\ny' }],
    ['[mlflow]\nq = %(nope)s\nP = fine', { password: 'fine' }],
    [`[mlflow]\n${nested(9)}`, { password: 'end%%%%%%%%%' }],
  ])('MLflow’s takes from [DEFAULT] and replaces %%(name)s as Python’s configparser does: %j', (text, credentials) => {
    expect(read(text)).toEqual(credentials)
  })

  it.each([
    ['that is nested too deep', `[mlflow]\n${nested(10)}`],
    ['that refers to itself', '[mlflow]\nP = secret%(mlflow_tracking_password)s'],
    ['for what is not there', '[mlflow]\nP = a%(secret)s'],
    ['for what stands elsewhere', '[other]\nsecret = 1\n[mlflow]\nP = %(secret)s'],
  ])('MLflow’s is refused, as by Python, with a %%(name)s %s, and no value is shown', (_, text) => {
    const reading = () => read(text)
    expect(reading).toThrow(InvalidParameterError)
    expect(reading).toThrow(
      /^In \[mlflow\] of the credentials file, mlflow_tracking_password has a %\(…\)s that (?!.*secret)/,
    )
  })

  it('Databricks’ is read with keys at any depth, and with % as it stands', () => {
    const text = '[eu]\nhost = https://b.cloud\n  token = dapi%%1\n'
    expect(databricksProfile(text, 'eu')).toEqual({ host: 'https://b.cloud', token: 'dapi%%1' })
  })

  it('Databricks’ gives host and token by profile, each what stands in it alone', () => {
    const text =
      '[DEFAULT]\r\nhost = https://a.cloud\r\ntoken = dapi1\r\n\r\n[eu]\r\nhost: https://b.cloud\r\n[no]\r\ntoken = t\r\n'
    expect(databricksProfile(text)).toEqual({ host: 'https://a.cloud', token: 'dapi1' })
    expect(databricksProfile(text, 'eu')).toEqual({ host: 'https://b.cloud' })
    expect(databricksProfile(text, 'no')).toEqual({ token: 't' })
    expect(databricksProfile(text, 'us')).toBeUndefined()
  })
})
