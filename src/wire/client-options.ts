import {
  checkOptions,
  described,
  each,
  having,
  isCount,
  isFunction,
  isRecord,
  isSwitch,
  isText,
  isTime,
  listOf,
  numberThat,
  orNull,
  type Rule,
  type Rules,
  record,
} from '../core/options.js'
import { InvalidParameterError } from '../errors.js'
import { type Auth, checkedHeaders, credentials } from '../http/auth.js'
import type { ClientOptions } from '../wire.js'
import { checkScheme, isFlavor } from './plugins.js'

const countOrAll = (least: number): Rule =>
  numberThat(
    `a whole number from ${least}, or Infinity`,
    (value) => value >= least && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY),
  )

const headers: Rule = (value) => {
  if (!isRecord(value))
    throw new InvalidParameterError(
      `headers must be an object of texts, like { 'x-key': '…' }, not ${described(value)}; of Headers, a Map or pairs Object.fromEntries(…) makes one`,
    )
  checkedHeaders(value as Readonly<Record<string, string>>, 'the headers option')
}

/** What each option of a client may be. */
const CLIENT_OPTIONS: Rules<ClientOptions> = {
  trackingUri: orNull(isText),
  registryUri: orNull(isText),
  auth: orNull((value) => void credentials(value as Auth)),
  headers: orNull(headers),
  dispatcher: orNull(having('a dispatcher of undici', 'dispatch', 'request')),
  timeoutMs: orNull(numberThat('a number of milliseconds above 0', (value) => value > 0)),
  retry: orNull(
    record({
      maxRetries: orNull(countOrAll(0)),
      budgetMs: numberThat('a number of milliseconds, 0 or more', (value) => value >= 0),
    }),
  ),
  buffer: orNull(
    record({
      limits: record({ metrics: isCount, params: isCount, tags: isCount, total: isCount, bytes: isCount }, true),
      intervalMs: isTime,
      maxQueued: countOrAll(1),
    }),
  ),
  logger: orNull(having('a logger', 'debug', 'info', 'warn', 'error')),
  cacheDir: orNull(isText),
  spoolDir: orNull(isText),
  transports: orNull(each('functions', isFunction, checkScheme)),
  artifactStores: orNull(each('functions', isFunction, checkScheme)),
  flavors: orNull(listOf('flavors', isFlavor)),
  endTimeoutMs: orNull(
    numberThat(
      'a number of milliseconds from 1000 to 86400000 (a day)',
      (value) => value >= 1000 && value <= 86_400_000,
    ),
  ),
  allowLocalSources: orNull(isSwitch),
}

/** Checks what a client is given; throws `InvalidParameterError` that names the option and its rule, and shows no secret. */
export const checkClientOptions = (options: unknown): void =>
  checkOptions("A client takes options, like { trackingUri: 'http://localhost:5000' }", options, CLIENT_OPTIONS)
