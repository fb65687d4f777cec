import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { appendBytes, closeLog, readRange } from '../disk/log-file.js'
import { type Ranges, ranges } from './ranges.js'

/** The two ways through a log: points, which carry their own order, and steps, which go one after the other. */
export type Lane = 'points' | 'steps'

/** A stretch of a lane. */
export interface Stretch {
  readonly lane: Lane
  readonly first: number
  readonly count: number
}

/** What is known of the delivery of a log, kept beside it so that whoever takes over goes on where it stood. */
export interface Acks {
  readonly done: Readonly<Record<Lane, Ranges>>
  /** Stretches that were sent and of which nothing is known since, as they were sent. */
  readonly tried: readonly Stretch[]
  /** The run's id on its server, once it has one. */
  readonly runId: string | undefined
  readonly refused: number
  /** How many of them nobody logged: the run's making and its end. */
  readonly refusedChores: number
  /** Notes that a stretch goes out now. */
  trying(stretch: Stretch): void
  /** Notes that it has arrived. */
  arrived(stretch: Stretch): void
  /** Notes that it was refused for good, or is lost; so many of it nobody logged. */
  refuse(stretch: Stretch, chores?: number): void
  /** Notes that it was surely not carried out. */
  unsent(stretch: Stretch): void
  mapped(runId: string): void
  close(): void
}

const FILE = 'delivered'
const MOST = 256 << 20
const LETTER: Readonly<Record<Lane, string>> = { points: 'p', steps: 's' }

/** Makes the file of the notes with an empty line: on a full disk the first of them have their place already. */
export function beginAcks(dir: string): void {
  const file = join(dir, FILE)
  appendBytes(file, Buffer.from('\n'))
  closeLog(file)
}

/** Opens the notes of a log's folder, as they stand. A line that is cut or damaged counts as not written. */
export function openAcks(dir: string): Acks {
  const file = join(dir, FILE)
  const done = { points: ranges(), steps: ranges() }
  const open = new Map<string, Stretch>()
  let runId: string | undefined
  let refused = 0
  let refusedChores = 0
  let torn = false
  /** Lines that the disk did not take; they go with the next. */
  let owed = ''

  const name = ({ lane, first, count }: Stretch) => `${LETTER[lane]} ${first} ${count}`
  function take(line: string): void {
    const [verb, lane, first = '', count = '', chores = '0'] = line.split(' ')
    if (verb === 'r') runId = lane
    const stretch = { lane: lane === 'p' ? 'points' : 'steps', first: Number(first), count: Number(count) } as const
    if (!Number.isSafeInteger(stretch.first) || !Number.isSafeInteger(stretch.count)) return
    if (verb === 't') open.set(name(stretch), stretch)
    if (verb === 'n') open.delete(name(stretch))
    if (verb !== 'd' && verb !== 'x') return
    open.delete(name(stretch))
    done[stretch.lane].add(stretch.first, stretch.count)
    if (verb !== 'x') return
    refused += stretch.count
    refusedChores += Number(chores)
  }

  const text = Buffer.from(readRange(file, 0, MOST) ?? []).toString('utf8')
  for (const line of text.split('\n')) {
    const body = line.slice(9)
    if (line.length > 9 && line.slice(0, 8) === checksum(body)) take(body)
  }
  torn = text !== '' && !text.endsWith('\n')

  function note(body: string): void {
    take(body)
    owed += `${torn ? '\n' : ''}${checksum(body)} ${body}\n`
    torn = false
    try {
      appendBytes(file, Buffer.from(owed))
      owed = ''
    } catch {
      // A full disk: what arrived is known in memory, and is looked up again by whoever takes over.
    }
  }

  return {
    done,
    get tried() {
      return [...open.values()]
    },
    get runId() {
      return runId
    },
    get refused() {
      return refused
    },
    get refusedChores() {
      return refusedChores
    },
    trying: (stretch) => note(`t ${name(stretch)}`),
    arrived: (stretch) => note(`d ${name(stretch)}`),
    refuse: (stretch, chores = 0) => note(`x ${name(stretch)}${chores === 0 ? '' : ` ${chores}`}`),
    unsent: (stretch) => note(`n ${name(stretch)}`),
    mapped: (id) => note(`r ${id}`),
    close: () => closeLog(file),
  }
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0')
