import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { appendBytes, closeLog, type MovedFile, movedLog, readRange } from '../disk/log-file.js'
import { type FileState, stateOf } from '../disk/write.js'
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
  /**
   * Notes that it has arrived; of points with the next note or by `settle`, so that what goes out next takes it along: until
   * then they count as tried for whoever takes over.
   */
  arrived(stretch: Stretch): void
  /** Writes what is noted and not on disk yet. */
  settle(): void
  /** Notes that it was refused for good, or is lost; so many of it nobody logged. */
  refuse(stretch: Stretch, chores?: number): void
  /** Notes that it was surely not carried out. */
  unsent(stretch: Stretch): void
  mapped(runId: string): void
  close(): void
}

/** What a line says of a stretch: that it is tried, not sent, done with, refused. */
type Verb = 't' | 'n' | 'd' | 'x'

const FILE = 'delivered'
const MOST = 256 << 20
const LETTER: Readonly<Record<Lane, string>> = { points: 'p', steps: 's' }

/** What is known of the delivery of a log whose folder is made anew. */
export interface Known {
  /** Up to where all is done with. */
  readonly done: Readonly<Record<Lane, number>>
  /** The run's id on its server, where that has made it for us. */
  readonly runId: string | undefined
}

/** Makes the file of the notes with an empty line: on a full disk the first of them have their place already. */
export function beginAcks(dir: string, { done, runId }: Partial<Known> = {}): void {
  const file = join(dir, FILE)
  const lanes = done ? (['points', 'steps'] as const) : []
  const lines = lanes.map((lane) => lineOf(`d ${name({ lane, first: 0, count: done![lane] })}`))
  if (runId !== undefined) lines.push(lineOf(`r ${runId}`))
  appendBytes(file, Buffer.from(`\n${lines.join('')}`))
  closeLog(file)
}

const name = ({ lane, first, count }: Stretch): string => `${LETTER[lane]} ${first} ${count}`
const lineOf = (body: string): string => `${checksum(body)} ${body}\n`

/** Opens the notes of a log's folder, as they stand. A line that is cut or damaged counts as not written. */
export function openAcks(dir: string): Acks {
  const file = join(dir, FILE)
  const done = { points: ranges(), steps: ranges() }
  const open = new Map<string, Stretch>()
  let runId: string | undefined
  let refused = 0
  let refusedChores = 0
  let torn = false
  /** Lines that wait for the next, or that the disk did not take. */
  let owed = ''
  /** Of those the ones that the folder which was moved away is to be told. */
  let untold = ''
  /** The file as it was left; undefined where it was not there yet. */
  let left: Left | undefined = stateOf(file)
  /** That of the folder which was moved away. */
  let moved: MovedFile | undefined

  function take(line: string): void {
    const [verb = '', lane = '', first = '', count = '', chores = '0'] = line.split(' ')
    if (verb === 'r') runId = lane
    const stretch = { lane: lane === 'p' ? 'points' : 'steps', first: Number(first), count: Number(count) } as const
    if (!Number.isSafeInteger(stretch.first) || !Number.isSafeInteger(stretch.count)) return
    hold(verb as Verb, stretch, Number(chores))
  }

  function hold(verb: Verb, stretch: Stretch, chores: number): void {
    if (verb === 't') open.set(name(stretch), stretch)
    if (verb === 'n') open.delete(name(stretch))
    if (verb !== 'd' && verb !== 'x') return
    open.delete(name(stretch))
    done[stretch.lane].add(stretch.first, stretch.count)
    if (verb !== 'x') return
    refused += stretch.count
    refusedChores += chores
  }

  const text = Buffer.from(readRange(file, 0, MOST) ?? []).toString('utf8')
  for (const line of text.split('\n')) {
    const body = line.slice(9)
    if (line.length > 9 && line.slice(0, 8) === checksum(body)) take(body)
  }
  torn = text !== '' && !text.endsWith('\n')

  function note(verb: Verb, stretch: Stretch, chores = 0): void {
    hold(verb, stretch, chores)
    owe(`${verb} ${name(stretch)}${chores === 0 ? '' : ` ${chores}`}`)
  }

  function owe(body: string): void {
    const line = lineOf(body)
    owed += torn ? `\n${line}` : line
    torn = false
    // What the log has lost with a folder that was moved lies there still, to be delivered.
    if (!body.startsWith('x')) untold += line
  }

  function settle(): void {
    if (owed === '') return
    try {
      write()
    } catch {
      // A full disk: what arrived is known in memory, and is looked up again by whoever takes over.
    }
    if (untold !== '' && moved?.add(Buffer.from(untold)) === false) {
      moved.close()
      moved = undefined
    }
    untold = ''
  }

  function write(): void {
    const now = stateOf(file)
    if (now && isOther(now, left)) goOnIn()
    left = now ?? (left && GONE)
    const lines = Buffer.from(owed)
    const size = appendBytes(file, lines, false, now?.size)
    owed = ''
    if (now && size === now.size + lines.length) {
      left = { inode: now.inode, size }
      return
    }
    // Somebody else has added to it, or it was made, anew or for the first time, between the two.
    const then = stateOf(file)
    if (then && isOther(then, left)) write()
    else left = then ?? left
  }

  /** The folder was made anew: it is to know all that the one before knew. */
  function goOnIn(): void {
    const away = movedLog(file)
    if (away) moved?.close()
    moved = away ?? moved
    const stretches = (['points', 'steps'] as const).flatMap((lane) =>
      done[lane].stretches.map((stretch) => `d ${name({ lane, ...stretch })}`),
    )
    const tried = [...open.values()].map((stretch) => `t ${name(stretch)}`)
    const mapped = runId === undefined ? [] : [`r ${runId}`]
    owed = `\n${[...stretches, ...tried, ...mapped].map(lineOf).join('')}`
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
    trying(stretch) {
      note('t', stretch)
      settle()
    },
    arrived(stretch) {
      note('d', stretch)
      // Files of steps are removed after this.
      if (stretch.lane === 'steps') settle()
    },
    refuse(stretch, chores) {
      note('x', stretch, chores)
      settle()
    },
    unsent(stretch) {
      note('n', stretch)
      settle()
    },
    mapped(id) {
      runId = id
      owe(`r ${id}`)
      settle()
    },
    settle,
    close() {
      settle()
      owed = ''
      closeLog(file)
      moved?.close()
      moved = undefined
    },
  }
}

type Left = Pick<FileState, 'inode' | 'size'>
/** What a file is left as that is there no more: the next one is another, whatever its number. */
const GONE: Left = { inode: Number.NaN, size: 0 }
/** Others may have added to it since. */
const isOther = (now: FileState, left: Left | undefined): boolean =>
  left !== undefined && (now.inode !== left.inode || now.size < left.size)

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0')
