import type { Command } from 'commander'
import type { Terminal } from './terminal.js'
import { plain } from './terminal.js'
import { examples, word } from './word.js'

const MARKS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL', skip: 'skip' } as const

/** The word that looks whether all is well; exit code 1 when something is not. */
export function doctorWord(program: Command, terminal: Terminal, unwell: () => void): void {
  const doctor = program
    .command('doctor')
    .description('Look whether runs can arrive and models load, and say how to fix it')
    .argument('[store]', 'the same as --tracking-uri')
    .hook('preAction', (_, { args: [store] }) => {
      if (store === undefined) return
      if (doctor.getOptionValue('trackingUri') !== undefined)
        doctor.error('error: give the store as a word or with --tracking-uri, not both')
      doctor.setOptionValue('trackingUri', store)
    })
  examples(doctor, 'cairn-ml doctor', 'cairn-ml doctor http://127.0.0.1:5000 --json')
  word(doctor, terminal, async ({ client, answer }) => {
    const checks = await client.doctor()
    const widest = Math.max(...checks.map(({ name }) => name.length))
    answer(checks, () =>
      checks
        .flatMap(({ name, status, detail, fix }) => [
          `${MARKS[status]}  ${name.padEnd(widest)}  ${plain(detail)}`,
          ...(fix === undefined ? [] : [`${' '.repeat(widest + 8)}→ ${plain(fix)}`]),
        ])
        .join('\n'),
    )
    if (checks.some(({ status }) => status === 'fail')) unwell()
  })
}
