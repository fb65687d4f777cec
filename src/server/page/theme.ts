import { useEffect, useState } from 'preact/hooks'

export type Theme = 'light' | 'dark'

const KEY = 'cairn.theme'
const dark = matchMedia('(prefers-color-scheme: dark)')
const listeners = new Set<() => void>()
dark.addEventListener('change', () => {
  for (const tell of listeners) tell()
})

const chosen = (): Theme | undefined => {
  const text = localStorage.getItem(KEY)
  return text === 'light' || text === 'dark' ? text : undefined
}

const theme = (): Theme => chosen() ?? (dark.matches ? 'dark' : 'light')

/** Puts what was chosen before into force. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = theme()
}

/** Changes to the other; back at what the system says, the choice is forgotten. */
export function toggleTheme(): void {
  const next = theme() === 'dark' ? 'light' : 'dark'
  if (next === (dark.matches ? 'dark' : 'light')) localStorage.removeItem(KEY)
  else localStorage.setItem(KEY, next)
  for (const tell of listeners) tell()
}

export function useTheme(): Theme {
  const [now, setNow] = useState(theme())
  useEffect(() => {
    const tell = () => {
      applyTheme()
      setNow(theme())
    }
    listeners.add(tell)
    return () => void listeners.delete(tell)
  }, [])
  return now
}

/** A colour of the style sheet, as canvases need it. */
export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const COUNT = 10

/** The colour of the nth of several runs. */
export const runColour = (index: number): string => colour(`run-${index % COUNT}`)
