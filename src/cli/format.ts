export { bytesText, timeText } from '../core/format.js'

const two = (number: number): string => String(number).padStart(2, '0')

/** How long something took: `0.4s`, `12s`, `3m 05s`, `2h 10m`, `4d 01h`. */
export function durationText(ms: number | undefined): string {
  if (ms === undefined || !(ms >= 0)) return ''
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours}h ${two(minutes % 60)}m` : `${Math.floor(hours / 24)}d ${two(hours % 24)}h`
}

/** A number with at most five digits that count. */
export const numberText = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e12 ? String(value) : String(Number(value.toPrecision(5)))

const SIZES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
}
const TIMES: Readonly<Record<string, number>> = { s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7, w: 6.048e8 }

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const factor = units[unit.toLowerCase()]
  return number === undefined || factor === undefined ? undefined : Math.round(Number(number) * factor)
}

/** Reads `500MB`, `2 GB`, `1000`; nothing for anything else. */
export const parseBytes = (text: string): number | undefined => parse(text, SIZES)
/** Reads `90s`, `12h`, `30d`, `2w`; nothing for anything else. */
export const parseDuration = (text: string): number | undefined => parse(text, TIMES)

/** A value as JSON: what JSON has no word for (NaN, infinities, whole numbers past 2^53) is a text. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(
    value,
    (_, inner: unknown) =>
      typeof inner === 'bigint' || (typeof inner === 'number' && !Number.isFinite(inner)) ? String(inner) : inner,
    2,
  )
