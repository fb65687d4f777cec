import type { Found } from '../doctor.js'
import { CairnError, isRetryable, PermissionDeniedError, TimeoutError, UnauthenticatedError } from '../errors.js'
import { KEY_VARIABLES } from '../http/refusal.js'

/** What a look found; one that throws found what is wrong, and what to do about it. */
export async function safely(look: () => Found | Promise<Found>): Promise<Found> {
  try {
    return await look()
  } catch (error) {
    return failed(error)
  }
}

/** A failure as a finding; `keysFrom` says where the credentials came from, where there were any. */
export const failed = (error: unknown, keysFrom?: string): Found => ({
  status: 'fail',
  detail: error instanceof Error ? error.message : String(error),
  fix: fixFor(error, keysFrom),
})

const MAYBE_PROXY =
  'open the address in a browser; correct HTTPS_PROXY or HTTP_PROXY, or name the server in NO_PROXY; else correct host, port and path in MLFLOW_TRACKING_URI'

const NAMES: readonly (readonly [RegExp, string])[] = [
  [
    /^No TLS with the proxy/,
    'correct the address of the proxy in HTTPS_PROXY or HTTP_PROXY (it may begin with http://), or name the server in NO_PROXY',
  ],
  [
    /or there is no TLS version/,
    'set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with your certificate and key, if the server wants one; else let it speak TLS 1.2 or newer',
  ],
  [
    /there is no TLS version/,
    'let the server, or what stands in front of it, speak TLS 1.2 or newer, or correct host and port in MLFLOW_TRACKING_URI',
  ],
  [/MLFLOW_TRACKING_CLIENT_CERT_PATH/, 'set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with your certificate and key'],
  [
    /certificate of the proxy/,
    'set NODE_EXTRA_CA_CERTS to the certificate of its authority, correct HTTPS_PROXY or HTTP_PROXY, or name the server in NO_PROXY',
  ],
  [/for another name/, 'write MLFLOW_TRACKING_URI with a name that the certificate holds'],
  [/has expired|is not valid yet/, 'renew the certificate of the server, or set the clock of this machine'],
  [/MLFLOW_TRACKING_SERVER_CERT_PATH/, 'set MLFLOW_TRACKING_SERVER_CERT_PATH to the certificate of its authority'],
  [/may speak plain HTTP/, 'begin MLFLOW_TRACKING_URI with http://'],
  [/may speak TLS/, 'check that the server runs; if it speaks TLS, begin MLFLOW_TRACKING_URI with https://'],
  [/SOCKS/, 'name an http proxy in HTTPS_PROXY, or the server in NO_PROXY'],
  [/answered 407/, 'correct the user and password in HTTPS_PROXY or HTTP_PROXY, or name the server in NO_PROXY'],
  [/it came by the proxy|the proxy's own answer/, MAYBE_PROXY],
  [/HTTPS?_PROXY/, 'correct HTTPS_PROXY or HTTP_PROXY, or name the server in NO_PROXY'],
  [/does not speak HTTP/, 'correct host, port and scheme in MLFLOW_TRACKING_URI'],
  [
    /MLFLOW_WORKSPACE|workspaces are not enabled/i,
    'unset MLFLOW_WORKSPACE, or start the server with --enable-workspaces',
  ],
  [/MLFLOW_SERVER_ALLOWED_HOSTS/, 'start the server with --allowed-hosts and the name in MLFLOW_TRACKING_URI'],
  [
    /a redirect to/,
    'set MLFLOW_TRACKING_URI to the final address, or give the credentials that its login page asks for',
  ],
  [/The auth function/, 'correct the auth function of the client'],
  // Whether it answers at all, /health has told before.
  [
    /\/search did not answer within \d/,
    'look at the log of the server, and whether it reaches its database: the server answers, but its store does not in that time',
  ],
  [
    /(?<!\/health) did not answer within \d/,
    'look at the log of the server, and what stands before it: it answers other requests',
  ],
  [/login page|an MLflow server/, 'open the address in a browser; correct host, port and path in MLFLOW_TRACKING_URI'],
]

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'start the server (mlflow server --host … --port …), or correct host and port in MLFLOW_TRACKING_URI',
  ENOTFOUND: 'correct the host name in MLFLOW_TRACKING_URI, or connect to the network that knows it (VPN, DNS)',
  EAI_AGAIN: 'check the network of this machine: names cannot be looked up',
}

/** What to do about a refusal, whoever answered it. */
function refusalFix(error: unknown, keysFrom: string | undefined): string | undefined {
  if (error instanceof UnauthenticatedError)
    return keysFrom === undefined ? `set ${KEY_VARIABLES}` : `correct ${keysFrom}`
  if (error instanceof PermissionDeniedError)
    return `ask whoever runs the server for the right to read experiments and models${keysFrom === undefined ? '' : `, or give credentials that have it: ${keysFrom}`}`
  if ((error as CairnError | undefined)?.status === 429)
    return 'wait a while: the server takes no more requests for now; ask whoever runs it for a higher limit'
  return undefined
}

function fixFor(error: unknown, keysFrom: string | undefined): string {
  const message = error instanceof Error ? error.message : ''
  const named = NAMES.find(([words]) => words.test(message))?.[1]
  const own = refusalFix(error, keysFrom)
  if (named === MAYBE_PROXY && own) return `${own}; if it was the proxy: ${MAYBE_PROXY}`
  if (named ?? own) return (named ?? own) as string
  const cause = (error as { cause?: { code?: unknown } } | undefined)?.cause?.code
  if (typeof cause === 'string' && CAUSES[cause]) return CAUSES[cause]
  if (error instanceof TimeoutError)
    return 'check that the server is up and that no firewall stands between; a proxy may be needed (HTTPS_PROXY)'
  if (/^https:/.test((error as CairnError | undefined)?.url ?? '') && error instanceof CairnError && error.retryable)
    return 'check that the server runs; if it wants a certificate of yours, set MLFLOW_TRACKING_CLIENT_CERT_PATH'
  if (isRetryable(error)) return 'check that the server runs and that this machine reaches it'
  return 'change what the message names'
}
