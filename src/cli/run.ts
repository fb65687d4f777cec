import { Command, CommanderError } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import { cacheWords } from './cache.js'
import { doctorWord } from './doctor.js'
import { jsonText } from './format.js'
import { modelWords } from './models.js'
import { runWords } from './runs.js'
import { serveWords } from './serve.js'
import { syncWord } from './sync.js'
import { plain, type Terminal } from './terminal.js'
import { examples } from './word.js'

const OK = 0
const FAILED = 1
const WRONG_USAGE = 2

/** All words, with their options and help. */
function program(terminal: Terminal, unwell: () => void): Command {
  const all = new Command('cairn-ml')
    .description('MLflow runs and models, from Node')
    .version(manifest.version, '-V, --version', 'print the version')
    .helpCommand(false)
    .showHelpAfterError('(add --help for what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
  examples(
    all,
    'cairn-ml runs list -e churn -o "metrics.auc DESC"',
    'cairn-ml models show churn',
    'cairn-ml models pull models:/churn/Production ./model',
  )
  // Settings of the program reach a word only when it is made after them.
  runWords(all, terminal)
  modelWords(all, terminal)
  cacheWords(all, terminal)
  serveWords(all, terminal)
  doctorWord(all, terminal, unwell)
  syncWord(all, terminal, unwell)
  return all
}

/**
 * Does what the words say and resolves to the exit code: 0 done, 1 it failed, 2 the words make no sense. Why stands on
 * standard error, with `--json` also on standard output: `{ error: { code, message, retryable } }`.
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  let code = OK
  const unwell = () => {
    code = FAILED
  }
  try {
    const [first, ...others] = words
    const said = first === 'help' ? [...others, '--help'] : words
    await program(terminal, unwell).parseAsync(said, { from: 'user' })
    return code
  } catch (error) {
    const tell = ({ code = 'INTERNAL_ERROR', message = String(error), retryable = false }: Partial<Failure>) => {
      if (words.includes('--json')) terminal.out(jsonText({ error: { code, message, retryable } }))
      return message
    }
    if (error instanceof CommanderError) {
      if (/^commander\.(helpDisplayed|version)$/.test(error.code)) return OK
      // Commander has printed it already.
      tell({ code: 'INVALID_PARAMETER_VALUE', message: error.message.replace(/^error: /, '') })
      return WRONG_USAGE
    }
    const message = tell(error as Partial<Failure>)
    // A filter's error points below the filter to where it broke.
    terminal.err(`error: ${message.split('\n').map(plain).join('\n')}`)
    return FAILED
  }
}

interface Failure {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}
