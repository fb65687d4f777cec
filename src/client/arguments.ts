import {
  checkedInUse,
  checkOptions,
  isFunction,
  isSwitch,
  isText,
  isTime,
  listOf,
  oneOf,
  orNull,
  type Rules,
} from '../core/options.js'
import { note, type StartRunOptions, tagTexts } from '../run/start.js'
import type { SyncOptions } from '../sync/sync.js'
import { paramText, present, type TextRules } from '../tracking/values.js'
import { onProgress, signal } from '../transport/call-options.js'
import type { SpoolDeliveryOptions } from '../wire.js'
import type { ClientEvents } from './events.js'

const SYNC_OPTIONS: Rules<SyncOptions> = {
  to: isText,
  dryRun: orNull(isSwitch),
  experimentNames: orNull(listOf('names', isText)),
  runIds: orNull(listOf('ids', isText)),
  deleted: orNull(isSwitch),
  signal,
  onProgress,
}

/** Checks what `sync` is given; a copy to somewhere else than was meant, or of more, is not taken back. */
export function checkSync(source: unknown, options: unknown): void {
  isText(source, 'The source of a copy')
  checkOptions("sync takes a source and options, like { to: 'http://localhost:5000' }", options, SYNC_OPTIONS)
}

const DELIVERY_OPTIONS: Rules<SpoolDeliveryOptions> = {
  signal,
  patienceMs: isTime,
  dryRun: orNull(isSwitch),
  onProgress,
}

/** Checks what `deliverSpool` is given. */
export const checkDelivery = (options: unknown): void =>
  checkOptions('deliverSpool takes options, like { dryRun: true }', options, DELIVERY_OPTIONS)

const START_OPTIONS: Rules<StartRunOptions> = {
  runName: checkedInUse,
  runId: checkedInUse,
  experimentName: checkedInUse,
  experimentId: checkedInUse,
  tags: checkedInUse,
  description: orNull(isText),
  params: checkedInUse,
  nested: orNull(isSwitch),
  parentRunId: checkedInUse,
  signal,
}

/**
 * What `startRun` is given, checked, its params and tags as the texts that are kept: a name that is passed over would be
 * looked for in vain, and what is refused once the run is made would leave it running without a handle.
 */
export function checkedStart(options: StartRunOptions, rules: TextRules): StartRunOptions {
  checkOptions("startRun takes options, like { runName: 'first' }", options, START_OPTIONS, {
    elsewhere: { name: 'runName', experiment: 'experimentName' },
  })
  const params = present(options.params ?? {}).map(([key, value]) => [key, paramText(key, value, rules)])
  tagTexts(note(options), rules)
  return { ...options, params: Object.fromEntries(params), tags: tagTexts(options.tags ?? {}, rules) }
}

const EVENTS: Readonly<Record<keyof ClientEvents, true>> = {
  retry: true,
  refused: true,
  spooled: true,
  recovered: true,
}
const isEvent = oneOf(Object.keys(EVENTS))

/** Checks what `on` is given. */
export function checkListening(event: unknown, listener: unknown): void {
  isEvent(event, 'An event')
  isFunction(listener, 'The listener')
}
