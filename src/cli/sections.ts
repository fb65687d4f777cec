import { widthOf } from './table.js'
import { plain, type Terminal } from './terminal.js'

type Pair = readonly [string, string | undefined]

/** Names and values, one pair a line, values below each other; what has no value is left out. */
export function fields(pairs: readonly Pair[], indent = ''): string {
  const present = pairs.flatMap(([key, value]) => (value ? [[plain(key), plain(value)] as const] : []))
  const room = Math.max(0, ...present.map(([key]) => widthOf(key)))
  return present.map(([key, value]) => `${indent}${key}${' '.repeat(room - widthOf(key))}  ${value}`).join('\n')
}

/** As `fields`, under a title; keys without a value stand alone. Nothing when there is nothing. */
export function section(title: string, pairs: readonly Pair[], { bold }: Pick<Terminal, 'bold'>): string {
  if (pairs.length === 0) return ''
  return `${bold(title)}\n${fields(
    pairs.map(([key, value]) => [key, value || ' ']),
    '  ',
  ).replace(/ +$/gm, '')}`
}
