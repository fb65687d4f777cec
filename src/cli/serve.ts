import { type Command, InvalidArgumentError } from 'commander'
import type { Client, Logger } from '../index.js'
import type { ServerOptions } from '../server/index.js'
import { plain, type Terminal } from './terminal.js'
import { examples, several } from './word.js'

interface ServeOptions {
  readonly host?: string
  readonly port?: number
  readonly allowedHosts?: readonly string[]
  readonly registryUri?: string
  readonly token?: string
  /** `--no-open` makes it false. */
  readonly open?: boolean
}

interface StoreOptions {
  readonly store: string | undefined
  /** Whether its folder is made where it is missing. */
  readonly isMade: boolean
}

const STORE = 'a folder or the address of a server (default: MLFLOW_TRACKING_URI, else ./mlruns)'
const USUAL_PORT = 5000
/** How long a server that is to be shown may take to say that it is there. */
const LOOK_MS = 5_000

/** The words that open a store to a browser and to MLflow's clients. */
export function serveWords(program: Command, terminal: Terminal): void {
  const ui = program
    .command('ui')
    .description('Look at runs and models in the browser')
    .argument('[store]', STORE)
    .option('-p, --port <port>', 'where to listen on this machine (default: any that is free)', parsePort)
    .option('--no-open', 'only print the address')
    .action((store: string | undefined, options: ServeOptions) => serve(terminal, { store, isMade: false, ...options }))
  examples(ui, 'cairn-ml ui', 'cairn-ml ui ./experiments/mlruns --port 5000', 'cairn-ml ui http://mlflow.example.com')

  const server = program
    .command('server')
    .description("Answer MLflow's REST API, and the page, from a store; for one person or a small team")
    .argument('[store]', STORE)
    .option('--host <address>', 'where to listen; beyond loopback callers need the token that is printed', '127.0.0.1')
    .option('-p, --port <port>', 'where to listen', parsePort, USUAL_PORT)
    .option('--allowed-hosts <names>', 'more Host headers to answer, exactly, separated by commas', splitting)
    .option('--registry-uri <uri>', 'where models are registered (default: the store)')
    .option('--token <token>', 'what callers beyond loopback need (default: made up at each start)')
    .action((store: string | undefined, options: ServeOptions) =>
      serve(terminal, { store, isMade: true, ...options, open: false }),
    )
  examples(
    server,
    'cairn-ml server',
    'cairn-ml server ./mlruns --host 0.0.0.0 --allowed-hosts runs.example.com',
    'MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python train.py',
  )
}

function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new InvalidArgumentError('It must be a whole number from 0 (any that is free) to 65535.')
}

const splitting = (text: string, before?: readonly string[]): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
    .reduce((all, name) => several(name, all), [...(before ?? [])])

async function serve(terminal: Terminal, options: ServeOptions & StoreOptions): Promise<void> {
  const { startServer } = await import('../server/index.js')
  const { store, host, port, allowedHosts, registryUri, token, open } = options
  await checkStore(terminal, options)
  const given: ServerOptions = { trackingUri: store, host, port, allowedHosts, registryUri, token }
  const server = await startServer(given)
  // Before anybody can know that there is something to stop.
  const told = toldToStop()
  terminal.out(server.url)
  if (server.token !== undefined)
    terminal.err(
      `Callers need this token: MLFLOW_TRACKING_URI=${server.trackingUri} MLFLOW_TRACKING_TOKEN=${server.token}`,
    )
  if (open !== false && terminal.width !== undefined) {
    const { openInBrowser } = await import('../host/browser.js')
    await openInBrowser(server.url)
  }
  await told
  await server.close()
}

const ignore = (): void => {}
/** What the client of a first look would tell, that of the server tells. */
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/**
 * Throws what is wrong with a store before its page is opened. What may still come is told instead: a server that is away,
 * and the usual folder, which nobody named. `server` makes one that is named, for others log to it, and waits for whatever
 * is to stand at an address, as it is often started first; `ui` only looks.
 */
async function checkStore(terminal: Terminal, { store, isMade }: StoreOptions): Promise<void> {
  const { createClient, InvalidParameterError, NotFoundError } = await import('../index.js')
  const { isLocal, localPath } = await import('../artifacts/location.js')
  const { stateOf } = await import('../disk/write.js')
  await using client = createClient({ trackingUri: store, retry: { maxRetries: 0 }, logger: silent })
  const uri = client.getTrackingUri()
  if (!isLocal(uri)) return checkServer(terminal, client, isMade)
  const folder = localPath(uri)
  const state = stateOf(folder)
  if (state && !state.isDirectory) throw new InvalidParameterError(`${folder} is a file, not the folder of a store`)
  if (state || isMade) return
  const missing = `There is no folder ${folder}`
  if (store !== undefined) throw new NotFoundError(`${missing}: check the path, or log a run to it first`)
  terminal.err(`warning: ${plain(missing)} yet: the page is empty until a run is logged there`)
}

async function checkServer(terminal: Terminal, client: Client, isAwaited: boolean): Promise<void> {
  const { isRetryable, ProtocolError } = await import('../errors.js')
  const limit = AbortSignal.timeout(LOOK_MS)
  try {
    await client.searchExperiments({ maxResults: 1, signal: limit })
  } catch (error) {
    // What speaks no HTTP will hardly learn it.
    if (!isAwaited && !limit.aborted && (!isRetryable(error) || error instanceof ProtocolError)) throw error
    const why = limit.aborted
      ? `${client.getTrackingUri()} has not answered within ${LOOK_MS / 1000} s`
      : (error as Error).message
    terminal.err(`warning: ${plain(why)}; the page shows what it has as soon as it answers`)
  }
}

/** Resolves when somebody wants the process to stop; a second signal ends it as signals do. */
const toldToStop = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
