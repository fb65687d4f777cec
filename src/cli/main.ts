#!/usr/bin/env node
import { run } from './run.js'
import { endWhenUnwritable, terminal } from './terminal.js'

endWhenUnwritable(process.stdout, process.stderr)
process.exitCode = await run(process.argv.slice(2), terminal(process.stdout, process.stderr))
