const two = (number: number): string => String(number).padStart(2, '0')

/** A time in local time to the minute, as `2026-11-24 21:05`; nothing for none, which a store may say as 0. */
export function timeText(epochMs: number | undefined): string {
  if (!epochMs) return ''
  const date = new Date(epochMs)
  if (Number.isNaN(date.getTime())) return ''
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

const UNITS = ['kB', 'MB', 'GB', 'TB'] as const

/** Bytes in powers of 1,000; nothing for none. */
export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return ''
  if (bytes < 1000) return `${bytes} B`
  // The unit is chosen by the number that will be read: 999,960 bytes are 1.0 MB.
  const sizes = UNITS.map((unit, at) => ({ unit, text: (bytes / 1000 ** (at + 1)).toFixed(1) }))
  const { unit, text } = sizes.find(({ text }) => Number(text) < 1000) ?? sizes.at(-1)!
  return `${text} ${unit}`
}
