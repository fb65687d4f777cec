import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { InvalidParameterError } from '../errors.js'

/** Before each record: four bytes that find it again behind damage, its length, and a checksum over both that and it. */
const MAGIC = Buffer.from('\u0007CRN', 'latin1')
const HEAD = 12
/** No record is longer: a length beyond it is damage. */
export const MOST_BYTES = 64 << 20
/** The bytes of a longer record are not kept for the next one. */
const KEPT_BYTES = 1 << 20

let scratch = Buffer.alloc(64 * 1024)
let view = viewOf(scratch)

/**
 * A record as it stands in a log: `fill` writes its payload, of a length that is known, from `at` on. The bytes are good
 * until the next record is made. Throws `InvalidParameterError` when it is longer than a reader takes.
 */
export function framed(length: number, fill: (bytes: Buffer, view: DataView, at: number) => void): Buffer {
  if (length > MOST_BYTES) throw tooLong()
  const size = HEAD + length
  if (size > KEPT_BYTES) {
    const bytes = Buffer.alloc(size)
    return filled(bytes, viewOf(bytes), length, fill)
  }
  if (size > scratch.length) {
    scratch = Buffer.alloc(Math.min(KEPT_BYTES, size * 2))
    view = viewOf(scratch)
  }
  return filled(scratch, view, length, fill)
}

/** The code of the error that what is logged is too long for one record. */
export const TOO_LONG = 'RECORD_TOO_LONG'
/** What is logged is too long for one record. */
export const tooLong = (): InvalidParameterError =>
  new InvalidParameterError(
    `What is logged at once takes more than the ${MOST_BYTES >> 20} MiB that go to disk in one piece; log it in several calls, or what is long as an artifact`,
    { code: TOO_LONG },
  )

function filled(
  bytes: Buffer,
  over: DataView,
  length: number,
  fill: (bytes: Buffer, view: DataView, at: number) => void,
): Buffer {
  bytes.set(MAGIC, 0)
  over.setUint32(4, length, true)
  fill(bytes, over, HEAD)
  over.setUint32(8, sum(bytes, 0, length), true)
  return bytes.subarray(0, HEAD + length)
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

const sum = (bytes: Buffer, at: number, length: number): number =>
  crc32(bytes.subarray(at + HEAD, at + HEAD + length), length)

/** What a stretch of a log holds. */
export interface Unframed {
  readonly payloads: readonly Buffer[]
  /** Bytes that were understood or passed over; what follows may be a record that is not whole yet. */
  readonly used: number
  /** Stretches that were damaged and passed over. */
  readonly damaged: number
}

/**
 * The whole records of a stretch that begins at the start of one. Damage is passed over up to the next record that is
 * whole; at the end it is left, since it may be a record still being written, unless this is the `last` to come.
 */
export function unframe(bytes: Buffer, last = false): Unframed {
  const payloads: Buffer[] = []
  let damaged = 0
  let at = 0
  while (at < bytes.length) {
    const length = wholeAt(bytes, at)
    if (length >= 0) {
      payloads.push(bytes.subarray(at + HEAD, at + HEAD + length))
      at += HEAD + length
      continue
    }
    const next = nextWhole(bytes, at + 1)
    if (next < 0) {
      if (last) {
        // A record that was cut is how a killed process ends; anything else is damage.
        if (!isCut(bytes.subarray(at))) damaged++
        at = bytes.length
      }
      break
    }
    damaged++
    at = next
  }
  return { payloads, used: at, damaged }
}

/** The length of the payload of the whole record at a place; -1 when none is there. */
function wholeAt(bytes: Buffer, at: number): number {
  if (at + HEAD > bytes.length || bytes.compare(MAGIC, 0, 4, at, at + 4) !== 0) return -1
  const length = bytes.readUInt32LE(at + 4)
  if (length > MOST_BYTES || at + HEAD + length > bytes.length) return -1
  return bytes.readUInt32LE(at + 8) === sum(bytes, at, length) ? length : -1
}

function nextWhole(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(MAGIC, from); at >= 0; at = bytes.indexOf(MAGIC, at + 1))
    if (wholeAt(bytes, at) >= 0) return at
  return -1
}

const isCut = (rest: Buffer): boolean =>
  rest.length < HEAD ? MAGIC.subarray(0, rest.length).equals(rest.subarray(0, 4)) : wantedBytes(rest) > rest.length

/** How many bytes the record at the start of a stretch wants in all; 0 when that cannot be told. */
export function wantedBytes(bytes: Buffer): number {
  if (bytes.length < HEAD || bytes.compare(MAGIC, 0, 4, 0, 4) !== 0) return 0
  const length = bytes.readUInt32LE(4)
  return length > MOST_BYTES ? 0 : HEAD + length
}
