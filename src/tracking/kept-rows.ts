import type { ArtifactStore, TransferOptions } from '../artifacts/store.js'
import { textAt } from '../artifacts/text.js'
import { appendRows, hasRows, readTable } from '../core/table.js'
import { writePrivate } from '../disk/private.js'
import { readText } from '../disk/write.js'
import type { KeptFile } from '../spool/steps.js'

/**
 * Adds the rows of a kept file to the table they were logged for, once: beside the file is noted how long the table was
 * when they were first sent, so that after a doubtful try they are looked for behind that.
 */
export async function addKeptRows(store: ArtifactStore, kept: KeptFile, options: TransferOptions): Promise<void> {
  const { path, file, type } = kept
  const note = `${file}.sent`
  const added = readTable(readText(file) ?? '', file)
  const there = await textAt(store, path, options)
  const table = there === undefined ? undefined : readTable(there, path)
  const noted = readText(note)
  if (table && noted !== undefined && hasRows(table, Number(noted), added)) return
  writePrivate(note, String(table?.data.length ?? 0))
  const text = JSON.stringify(table ? appendRows(table, added) : added)
  await store.write(path, new Blob([text], { type }), options)
}
