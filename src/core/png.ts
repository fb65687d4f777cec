import { deflateSync } from 'node:zlib'
import { InvalidParameterError } from '../errors.js'
import { shown } from './options.js'

/** Raw pixels: 8 bits a channel, row by row. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray | readonly number[]
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3 | 4
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
const COLOUR = { 1: 0, 3: 2, 4: 6 } as const
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})

// Node has zlib.crc32 from 22.2 on only.
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  framed.set(body, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

const isBytes = (data: unknown): boolean => data instanceof Uint8Array || data instanceof Uint8ClampedArray
const isByte = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255

/** Pixels as a PNG; `InvalidParameterError` when their number does not fit width, height and channels, or one is no byte. */
export function encodePng({ data, width, height, channels }: Pixels): Buffer {
  const size = (n: number) => Number.isInteger(n) && n > 0 && n < 2 ** 31
  if (!size(width) || !size(height) || !(channels in COLOUR) || data?.length !== width * height * channels)
    throw new InvalidParameterError(
      `${data?.length ?? 'No'} values are no picture of ${shown(width)} x ${shown(height)} pixels with ${shown(channels)} channels (1, 3 or 4, 8 bits each)`,
    )
  const odd = isBytes(data) ? -1 : Array.from<unknown>(data).findIndex((value) => !isByte(value))
  if (odd >= 0)
    throw new InvalidParameterError(
      `The values of a picture are whole numbers from 0 to 255; data[${odd}] is ${shown(data[odd])}`,
    )
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, COLOUR[channels]], 8)
  const stride = width * channels
  const rows = Buffer.alloc((stride + 1) * height)
  const bytes = Buffer.from(data)
  for (let y = 0; y < height; y++) bytes.copy(rows, y * (stride + 1) + 1, y * stride, (y + 1) * stride)
  const parts = [SIGNATURE, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', new Uint8Array())]
  return Buffer.concat(parts)
}

/** The kind of a picture by its first bytes: `png`, `jpg`, `webp`, or `undefined`. */
export function pictureKind(bytes: Uint8Array): 'png' | 'jpg' | 'webp' | undefined {
  const starts = (...head: number[]) => head.every((byte, i) => bytes[i] === byte)
  if (starts(0x89, 0x50, 0x4e, 0x47)) return 'png'
  if (starts(0xff, 0xd8, 0xff)) return 'jpg'
  if (starts(0x52, 0x49, 0x46, 0x46) && Buffer.from(bytes.subarray(8, 12)).toString('latin1') === 'WEBP') return 'webp'
  return undefined
}
