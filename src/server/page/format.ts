import { timeText } from '../../core/format.js'

export { bytesText, timeText } from '../../core/format.js'

/** A number with five digits that count; very large and small ones as powers. */
export function numberText(value: number | undefined): string {
  if (value === undefined) return ''
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e6 || size < 1e-4)
    return value
      .toExponential(3)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e')
  if (Number.isInteger(value)) return String(value)
  return String(Number(value.toPrecision(5)))
}

const two = (value: number): string => String(value).padStart(2, '0')

/** How long ago: `12 s`, `3 min`, `5 h`, `2 d`, then the day. */
export function agoText(ms: number | undefined, now: number): string {
  if (!ms) return ''
  const seconds = Math.max(0, Math.round((now - ms) / 1000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`
  if (seconds < 14 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`
  return timeText(ms).slice(0, 10)
}

/** How long something took: `400 ms`, `1.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`. */
export function durationText(ms: number | undefined): string {
  if (ms === undefined || !(ms >= 0)) return ''
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${two(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}
