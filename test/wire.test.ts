import { describe, expect, it } from 'vitest'
import {
  type ClientOptions,
  createClient,
  InvalidParameterError,
  registerArtifactStore,
  registerFlavor,
  registerTransport,
} from '../src/index.js'
import { inWords } from '../src/wire/logger.js'

it('a line of the log reads as words on a terminal', () => {
  const line = (level: number) => JSON.stringify({ level, time: 1, name: 'cairn', msg: 'the param was cut' })
  expect(inWords(line(30))).toBe('cairn: the param was cut\n')
  expect(inWords(line(40))).toBe('cairn: warning: the param was cut\n')
  expect(inWords(line(50))).toBe('cairn: error: the param was cut\n')
})

const nothing = () => {}

describe('a plug-in is refused when it', () => {
  it.each<[string, () => void, RegExp]>([
    ['has no scheme', () => registerTransport('', async () => ({}) as never), /not a URI scheme/],
    ['has a scheme with a colon', () => registerArtifactStore('a:', async () => ({}) as never), /not a URI scheme/],
    ['is no function', () => registerTransport('mine', 5 as never), /must be a function, not 5/],
    ['is null', () => registerArtifactStore('mine', null as never), /must be a function, not null/],
    [
      'is a flavor without a name',
      () => registerFlavor({ name: '', accepts: nothing, save: nothing, load: nothing } as never),
      /registered\.name/,
    ],
    [
      'is a flavor that cannot load',
      () => registerFlavor({ name: 'mine' } as never),
      /must be a flavor \(with accepts, save, load\)/,
    ],
  ])('%s', (_, register, message) => {
    expect(register).toThrow(message)
  })
})

describe('an option of a client', () => {
  const make = (options: unknown) => () => createClient(options as ClientOptions)
  const limits = { metrics: 1000, params: 100, tags: 100, total: 1000, bytes: 900_000 }

  it.each<[string, unknown, RegExp]>([
    ['that is none, but looks like one', { timeoutMS: 5 }, /^There is no option timeoutMS: did you mean timeoutMs\?$/],
    [
      'that is none, in another option',
      { retry: { maxretries: 1 } },
      /retry\.maxretries: did you mean retry\.maxRetries\?$/,
    ],
    ['that is none', { project: 'x' }, /^There is no option project: there are trackingUri, registryUri, auth,/],
    ['of an object', { constructor: 1 }, /no option constructor/],
    [
      'that is an address',
      { trackingUri: new URL('http://localhost:5000') },
      /^trackingUri must be a text, not an instance of URL$/,
    ],
    ['that is a symbol', { registryUri: Symbol('s') }, /^registryUri must be a text, not a symbol$/],
    ['with a folder that is a number', { spoolDir: 5 }, /^spoolDir must be a text, not 5$/],
    ['with a folder that is a switch', { cacheDir: true }, /^cacheDir must be a text, not true$/],
    ['of no time', { timeoutMs: 0 }, /^timeoutMs must be a number of milliseconds above 0, not 0$/],
    ['of a time that is a text', { timeoutMs: '5000' }, /^timeoutMs must be .*, not "5000"$/],
    ['of a time that is none', { timeoutMs: Number.NaN }, /not NaN$/],
    [
      'of half a retry',
      { retry: { maxRetries: 1.5 } },
      /^retry\.maxRetries must be a whole number from 0, or Infinity, not 1\.5$/,
    ],
    ['of fewer than no retries', { retry: { maxRetries: -1 } }, /not -1$/],
    [
      'of a budget that is none',
      { retry: { budgetMs: Number.NaN } },
      /^retry\.budgetMs must be .* 0 or more, not NaN$/,
    ],
    ['that is no object', { retry: 3 }, /^retry must be an object like \{ maxRetries, budgetMs \}, not a number$/],
    ['of no interval', { buffer: { intervalMs: 0 } }, /^buffer\.intervalMs must be .* above 0, .*, not 0$/],
    ['of an interval no timer can wait', { buffer: { intervalMs: 1e12 } }, /at most 2147483647/],
    ['of an empty buffer', { buffer: { maxQueued: 0 } }, /^buffer\.maxQueued must be a whole number from 1/],
    [
      'of an empty batch',
      { buffer: { limits: { ...limits, total: 0 } } },
      /^buffer\.limits\.total must be a whole number from 1, not 0$/,
    ],
    ['of some limits', { buffer: { limits: { metrics: 1 } } }, /^buffer\.limits\.params must be .*, not undefined$/],
    [
      'that logs warnings alone',
      { logger: { warn: nothing } },
      /^logger must be a logger \(with debug, info, warn, error\), not an object$/,
    ],
    ['that is no dispatcher', { dispatcher: {} }, /^dispatcher must be .* \(with dispatch, request\)/],
    [
      'of a switch that is a text',
      { allowLocalSources: 'false' },
      /^allowLocalSources must be true or false, not "false"$/,
    ],
    ['of an end that does not wait', { endTimeoutMs: 0 }, /^endTimeoutMs must be .* from 1000 to 86400000 .*, not 0$/],
    ['of a transport that is none', { transports: { http: 5 } }, /^transports\.http must be a function, not 5$/],
    ['of a drive', { transports: { x: nothing } }, /^"x" in transports .*: two or more .*; one letter is a drive/],
    ['of a scheme no address has', { transports: { Foo: nothing } }, /^"Foo" in transports is not a URI scheme/],
    [
      'of stores in a map',
      { artifactStores: new Map([['s3', nothing]]) },
      /^artifactStores must be an object of functions, not an instance of Map$/,
    ],
    ['of one flavor', { flavors: { name: 'x' } }, /^flavors must be a list/],
    [
      'of flavors that are none',
      { flavors: [null] },
      /^flavors\[0\] must be a flavor \(with accepts, save, load\), not null$/,
    ],
    [
      'of a flavor without a name',
      { flavors: [{ name: '', accepts: nothing, save: nothing, load: nothing }] },
      /^flavors\[0\]\.name/,
    ],
  ])('%s is refused at once, with its name and rule', (_, options, message) => {
    expect(make(options)).toThrow(InvalidParameterError)
    expect(make(options)).toThrow(message)
  })

  it.each<[unknown, RegExp]>([
    ['hunter2', /^auth must be \{ username, password \}, \{ token \} or a function .*, not a text$/],
    [{}, /has none of them/],
    [{ username: 'ann', password: undefined }, /has username\. A variable may have been empty$/],
    [{ username: 'ann' }, /has username/],
    [{ username: 'ann', password: 5 }, /^auth\.password must be a text, not a number$/],
    [{ username: 'ann', password: 'hunter2', token: 'hunter2' }, /has username, password, token/],
    [{ token: '' }, /^auth\.token must be a text that is not empty, not an empty text$/],
    [{ token: 'hunter2\nx' }, /character that no header can carry/],
    [{ Token: 'hunter2' }, /has none of them/],
  ])('auth %j is refused at once, and no secret is shown', (auth, message) => {
    expect(make({ auth })).toThrow(InvalidParameterError)
    expect(make({ auth })).toThrow(message)
    expect(make({ auth })).toThrow(/^(?!.*hunter2)/)
  })

  it.each<[string, unknown, RegExp]>([
    ['Headers', new Headers({ 'x-key': 'hunter2' }), /not an instance of Headers; .*Object\.fromEntries/],
    ['a map', new Map([['x-key', 'hunter2']]), /not an instance of Map/],
    ['pairs', [['x-key', 'hunter2']], /not an array/],
    ['a text', 'x-key: hunter2', /not a text/],
    ['a promise', Promise.resolve({}), /not an instance of Promise/],
    ['a number', { 'x-key': 5 }, /The header x-key .* has to be text, not number/],
    ['nothing', { 'x-key': undefined }, /The header x-key .* has to be text, not undefined/],
    ['a name with a space', { 'x key': 'hunter2' }, /"x key" .* is not the name of a header/],
  ])('headers as %s are refused, never dropped, and none is shown', (_, headers, message) => {
    expect(make({ headers })).toThrow(InvalidParameterError)
    expect(make({ headers })).toThrow(message)
    expect(make({ headers })).toThrow(/^(?!.*hunter2)/)
  })

  it.each([null, 'http://ann:hunter2@localhost:5000', 5, [], new URL('http://localhost:5000'), Promise.resolve({})])(
    'is given in an object, not as %s',
    (options) => {
      expect(make(options)).toThrow(
        /^A client takes options, like \{ trackingUri: 'http:\/\/localhost:5000' \}, not an? (?!.*hunter2)|not null$/,
      )
    },
  )

  it('may be left out as undefined everywhere, and as null where it always could', () => {
    const names = ['auth', 'headers', 'logger', 'dispatcher', 'retry', 'buffer', 'timeoutMs', 'transports']
    const folders = ['trackingUri', 'registryUri', 'cacheDir', 'spoolDir', 'artifactStores', 'flavors']
    for (const left of [null, undefined])
      for (const name of [...names, ...folders, 'allowLocalSources', 'endTimeoutMs'])
        expect(make({ [name]: left })).not.toThrow()
    const auth = { username: 'ann', password: 'b', token: undefined }
    const retry = { maxRetries: undefined, budgetMs: undefined }
    const buffer = { limits: undefined, intervalMs: undefined, maxQueued: Number.POSITIVE_INFINITY }
    const artifactStores = { 'mlflow-artifacts': undefined }
    expect(make({ auth, retry, buffer, artifactStores })).not.toThrow()
    expect(make({ auth: { username: '', password: 'key' }, logger: console, timeoutMs: 1e300 })).not.toThrow()
    const getter = Object.create({
      get token() {
        return 't'
      },
    })
    // As another library gives it, with what it knows beside.
    const tokens = [{ token: 't', expiresOnTimestamp: 5 }, { token: 't', username: null, password: null }, getter]
    for (const auth of tokens) expect(make({ auth })).not.toThrow()
    expect(make(Object.create({ timeoutMs: 5 }))).not.toThrow()
  })

  it('may come from an object of a class', () => {
    class Options {
      trackingUri = './mlruns'
    }
    expect(make(new Options())).not.toThrow()
  })
})
