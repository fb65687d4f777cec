import { isCutShort } from '../core/json-text.js'
import {
  type CairnError,
  type CairnErrorOptions,
  errorFromCode,
  InvalidParameterError,
  NotFoundError,
  ParamConflictError,
  ProtocolError,
  UnauthenticatedError,
  UnavailableError,
} from '../errors.js'
import { OTHER_WAY } from './proxy.js'
import { retryAfter } from './retry-after.js'
import { printable } from './url.js'

/** Headers of an answer, names in lower case. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>

/** An answer as it came: what a failure is told from. */
export interface RawAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly text: string
  /** The address asked, fit for a message. */
  readonly url: string
  /** The host of the proxy that it came by. */
  readonly proxy?: string | undefined
  /** Where the credentials came from that were shown, in words; absent when none are known of, null where none are sent. */
  readonly shown?: string | null | undefined
  /** Takes our secrets out of words that came from the server, which may echo what it was sent. */
  readonly hide: (text: string) => string
}

export const header = (headers: AnswerHeaders, name: string): string | undefined => {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

const REQUEST_ID = [
  'x-request-id',
  'x-databricks-request-id',
  'x-ms-request-id',
  'x-amzn-requestid',
  'x-correlation-id',
]

/** The id the server gave the request, by any of the usual headers. */
export const requestId = (headers: AnswerHeaders): string | undefined =>
  REQUEST_ID.map((name) => header(headers, name)).find((id) => id !== undefined)

const shownId = ({ headers, hide }: RawAnswer): string | undefined => {
  const id = requestId(headers)
  return id ? hide(id) : undefined
}

/** Whether a content type is that of a page. */
export const isHtmlType = (type: string | undefined): boolean => /html/i.test(type ?? '')

/** Flask calls plain words HTML too, as MLflow's "Permission denied". */
const isHtml = ({ headers, text }: RawAnswer) =>
  /^\s*<(!doctype|html)/i.test(text) ||
  (isHtmlType(header(headers, 'content-type')) && /^\s*<|<(html|head|title|body)\b/i.test(text))

/** What answered, in a few words of its own: the title of a page, the start of a text. */
function saying(answer: RawAnswer): string {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(answer.text)?.[1]
  const words = (isHtml(answer) ? (title ?? '') : answer.text).replace(/[\p{Cc}\s]+/gu, ' ').trim()
  const what = isHtml(answer) ? 'an HTML page' : words ? 'a text' : 'nothing'
  return words ? `${what}: "${words.slice(0, 160)}"` : what
}

const from = (answer: RawAnswer): string => {
  const server = header(answer.headers, 'server')
  const by = answer.proxy === undefined ? '' : ` by the proxy ${answer.proxy}`
  return (server && /^[\w./ -]{1,40}$/.test(server) ? ` (from ${answer.hide(server)})` : '') + by
}

interface Said {
  readonly code: string | undefined
  readonly message: string
}

/** What some gateways put in place of a message. */
function excerpt(said: object): string {
  const text = JSON.stringify(said)
  return text.length > 500 ? `${text.slice(0, 500)}…` : text
}

/** What MLflow's JSON says of a failure, also in the dress that Azure and Databricks put around it. */
function mlflowError(text: string): Said | undefined {
  try {
    const said = JSON.parse(text) as Record<string, unknown> | null
    const inner = (said?.Error ?? said?.error) as Record<string, unknown> | undefined
    const message = said?.message ?? inner?.Message ?? inner?.message
    const given = said?.error_code ?? inner?.Code ?? inner?.code
    if (said?.error_code === undefined && typeof message !== 'string') return undefined
    // Databricks' front door says its status there.
    const code = given === undefined || /^\d+$/.test(String(given)) ? undefined : String(given)
    return {
      code,
      message: typeof message === 'object' && message !== null ? excerpt(message) : String(message ?? given),
    }
  } catch {
    return undefined
  }
}

/** The error for an answer that is no success: MLflow's own where it is one, else what answered and what to check. */
export function refusal(answer: RawAnswer, now: number): CairnError {
  const { status, headers, url, hide } = answer
  const text = hide(answer.text)
  const id = shownId(answer)
  const wait = retryAfter(header(headers, 'retry-after'), now, header(headers, 'date'))
  const options: CairnErrorOptions = {
    status,
    url,
    requestId: id,
    retryAfterMs: wait,
  }
  const known = mlflowError(text)
  // Hidden once more: what was escaped in the JSON is only now as it was sent.
  if (known && (known.code !== undefined || status >= 400))
    return fromMlflow({ ...known, message: hide(known.message) }, options, answer.shown)
  return foreign({ ...answer, text }, options)
}

function fromMlflow({ code, message }: Said, options: CairnErrorOptions, shown: RawAnswer['shown']): CairnError {
  // File stores report a changed parameter as a 500, which would be tried again for ever.
  if (/Changing param values is not allowed|parameters are written once/i.test(message))
    return new ParamConflictError(message, { ...options, code: 'INVALID_PARAMETER_VALUE' })
  if (
    options.status === 403 &&
    shown !== null &&
    /(invalid|expired) (access )?token|token (is |has )?(expired|invalid)/i.test(message)
  )
    return new UnauthenticatedError(`${message}: the token is taken no more, set a new one`, options)
  const { status = 0, url } = options
  // Where something broke, its words alone do not tell where.
  const error = errorFromCode(code, status >= 500 ? `${message} (${url} answered ${status})` : message, options)
  if (!(error instanceof UnauthenticatedError)) return error
  return errorFromCode(code, `${message} (${shown === null ? UNSHOWN : `check ${shown ?? KEY_VARIABLES}`})`, options)
}

/** Where credentials go, as long as there are none. */
export const KEY_VARIABLES = 'MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN'

/** What to know of a refusal by a server that got no credentials of ours. */
const UNSHOWN =
  'no credentials are sent there, as that is not the tracking server; where it handed a download on, its link may have expired, or whoever made that lacks the permission'

function foreign(answer: RawAnswer, options: CairnErrorOptions): CairnError {
  const { status, headers, text, url } = answer
  const said = `${url} answered ${status}${from(answer)} with ${saying(answer)}`
  const orProxy = answer.proxy === undefined ? '' : `; that may be the proxy's own answer: ${OTHER_WAY}`
  if (status === 304)
    return new ProtocolError(
      `${said}: that is for one who has a copy already, which was not said; a cache or proxy in between is set up wrong`,
      options,
    )
  if (status >= 300 && status < 400) {
    const place = answer.hide(printable(header(headers, 'location') ?? 'nowhere'))
    return new ProtocolError(
      `${url} answered ${status}, a redirect to ${place}. Cairn follows one from an artifact to an https address alone, so that no credential goes elsewhere: set the tracking URI to the final address, or give the credentials that the login page stands for${orProxy}`,
      options,
    )
  }
  if (answer.shown === null && (status === 401 || status === 403))
    return errorFromCode(undefined, `${said}: ${UNSHOWN}`, options)
  if (status === 401)
    return errorFromCode(
      undefined,
      `${said}: it wants credentials, or does not take those given; check ${answer.shown ?? KEY_VARIABLES}`,
      options,
    )
  if (status === 403 && /invalid host header/i.test(text))
    return new ProtocolError(
      `${url} refuses its own host name ("Invalid Host header"): start the server with --allowed-hosts naming it (MLFLOW_SERVER_ALLOWED_HOSTS)`,
      options,
    )
  if (status === 403)
    return errorFromCode(
      undefined,
      `${said}: the user who asks lacks the permission for this; check whose credentials are sent${answer.shown === undefined ? '' : ` (${answer.shown})`}, and have whoever runs that server grant it${orProxy}`,
      options,
    )
  if (status === 404 || status === 405) {
    const [twice] = /\/(?:ajax-)?api(?:\/\d\.\d)?(?:\/mlflow)?(?=\/(?:ajax-)?api\/\d\.\d\/)/i.exec(url) ?? []
    const why = twice
      ? `leave ${twice} off the end of the tracking URI: it is added to it`
      : 'the server is older than this call, or the path in the tracking URI is wrong'
    return new NotFoundError(`${said}: there is no such endpoint; ${why}`, { ...options, code: 'ENDPOINT_NOT_FOUND' })
  }
  if (status === 413) return new InvalidParameterError(`${said}: the request is too large for it`, options)
  if (status === 431)
    return new ProtocolError(
      `${said}: the headers are larger than it takes; a token, or the headers option, is very long`,
      options,
    )
  // Words of a feature that is switched off, not of a server that will be back.
  if (status === 503 && /disabled|--(no-)?serve-artifacts|--artifacts-only/i.test(text) && !isHtml(answer))
    return new UnavailableError(said, { ...options, retryable: false, code: 'FEATURE_DISABLED' })
  if (status === 502 || status === 503)
    return new UnavailableError(
      `${said}: something in front of the MLflow server cannot reach it, or it is starting${orProxy}`,
      options,
    )
  if (status < 300) return new ProtocolError(said + orProxy, options)
  if (status === 400 && /SSL certificate/i.test(saying(answer)))
    return new ProtocolError(
      `${said}: it wants a certificate of ours, or another one; MLFLOW_TRACKING_CLIENT_CERT_PATH names certificate and key`,
      options,
    )
  if (status === 400 && isHtml(answer))
    return new ProtocolError(`${said}; MLflow would answer in JSON: check host, port and scheme${orProxy}`, options)
  return errorFromCode(undefined, said + orProxy, options)
}

/** The error for an answer that calls itself a success and is not MLflow's JSON; one whose end is missing tells of no refusal. */
export function notMlflow(answer: RawAnswer, why?: string): CairnError {
  const id = shownId(answer)
  const { proxy } = answer
  const retryable = why === undefined && isCutShort(answer.text)
  const hint = isHtml(answer)
    ? 'a login page, a captive portal or another service stands there: open the address in a browser, and check host, port and path'
    : retryable
      ? 'its end is missing: something between may have cut it off'
      : 'check that host, port and path are those of an MLflow server'
  const said = why
    ? `${answer.url} answered ${answer.status}, but not as MLflow does: ${why}`
    : `${answer.url} answered ${answer.status} with ${saying(answer)} where MLflow's JSON belongs; ${hint}${proxy === undefined ? '' : `; it came by the proxy ${proxy}: ${OTHER_WAY}`}`
  return new ProtocolError(answer.hide(said), {
    status: answer.status,
    url: answer.url,
    retryable,
    requestId: id,
  })
}
