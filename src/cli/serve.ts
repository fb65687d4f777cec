import { type Command, InvalidArgumentError } from 'commander'
import type { ServerOptions } from '../server/index.js'
import type { Terminal } from './terminal.js'
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

const STORE = 'a folder or the address of a server (default: MLFLOW_TRACKING_URI, else ./mlruns)'
const USUAL_PORT = 5000

/** The words that open a store to a browser and to MLflow's clients. */
export function serveWords(program: Command, terminal: Terminal): void {
  const ui = program
    .command('ui')
    .description('Look at runs and models in the browser')
    .argument('[store]', STORE)
    .option('-p, --port <port>', 'where to listen on this machine (default: any that is free)', parsePort)
    .option('--no-open', 'only print the address')
    .action((store: string | undefined, options: ServeOptions) => serve(terminal, { store, ...options }))
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
    .action((store: string | undefined, options: ServeOptions) => serve(terminal, { store, ...options, open: false }))
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

async function serve(
  terminal: Terminal,
  options: ServeOptions & { readonly store: string | undefined },
): Promise<void> {
  const { startServer } = await import('../server/index.js')
  const { store, host, port, allowedHosts, registryUri, token, open } = options
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

/** Resolves when somebody wants the process to stop; a second signal ends it as signals do. */
const toldToStop = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
