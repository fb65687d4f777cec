import { useEffect, useRef, useState } from 'preact/hooks'
import { type Place, parsePlace } from './route.js'

/** What was asked for, on its way or here. */
export interface Loaded<T> {
  readonly data: T | undefined
  readonly error: Error | undefined
  readonly loading: boolean
  readonly reload: () => void
}

/** Asks anew when `keys` change; the last answer stays until the next is here, unless `keys[0]` changed. */
export function useLoaded<T>(ask: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[]): Loaded<T> {
  const [turn, setTurn] = useState(0)
  const [state, setState] = useState<{ of: unknown; data?: T; error?: Error; loading: boolean }>({
    of: keys[0],
    loading: true,
  })
  // What is asked is said by the keys.
  useEffect(() => {
    const controller = new AbortController()
    setState((before) => (before.of === keys[0] ? { ...before, loading: true } : { of: keys[0], loading: true }))
    ask(controller.signal).then(
      (data) => controller.signal.aborted || setState({ of: keys[0], data, loading: false }),
      (error: Error) =>
        controller.signal.aborted ||
        setState((before) => ({ of: keys[0], ...(before.data ? { data: before.data } : {}), error, loading: false })),
    )
    return () => controller.abort()
  }, [...keys, turn])
  const fresh = state.of === keys[0]
  return {
    data: fresh ? state.data : undefined,
    error: fresh ? state.error : undefined,
    loading: state.loading || !fresh,
    reload: () => setTurn((before) => before + 1),
  }
}

interface PageOf<T> {
  readonly items: readonly T[]
  readonly token: string | undefined
}

/** The first page of a list, and more of it when that is asked for; anew when `name` changes. */
export function usePages<T>(
  ask: (token: string | undefined, signal?: AbortSignal) => Promise<PageOf<T>>,
  name: string,
): Loaded<PageOf<T>> & { readonly more: () => void } {
  const first = useLoaded((signal) => ask(undefined, signal), [name])
  const [behind, setBehind] = useState<PageOf<T> & { of: unknown }>()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const grown = behind && behind.of === first.data ? behind : first.data
  const more = () => {
    if (busy || !grown?.token) return
    setBusy(true)
    setError(undefined)
    ask(grown.token)
      .then(({ items, token }) => setBehind({ of: first.data, items: [...grown.items, ...items], token }))
      .catch(setError)
      .finally(() => setBusy(false))
  }
  return { ...first, data: grown, error: first.error ?? error, loading: first.loading || busy, more }
}

/**
 * Does something again and again while `on` and while anybody looks: `everyMs` after the last time, later when it takes
 * long. A failure is passed over; the next time may succeed.
 */
export function useRepeated(act: (signal: AbortSignal) => Promise<void>, everyMs: number, on: boolean): void {
  const latest = useRef(act)
  latest.current = act
  useEffect(() => {
    if (!on) return
    const controller = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const turn = async () => {
      const started = performance.now()
      if (!document.hidden) await latest.current(controller.signal).catch(() => undefined)
      if (controller.signal.aborted) return
      timer = setTimeout(turn, Math.max(everyMs, 8 * (performance.now() - started)))
    }
    timer = setTimeout(turn, everyMs)
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [everyMs, on])
}

/** Where in the page one is, as the address says. */
export function usePlace(): Place {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const change = () => setHash(location.hash)
    addEventListener('hashchange', change)
    return () => removeEventListener('hashchange', change)
  }, [])
  return parsePlace(hash)
}

/** Goes to a place; `replace` keeps it from being one more step back. */
export function go(href: string, replace = false): void {
  if (replace) {
    history.replaceState(null, '', href)
    dispatchEvent(new HashChangeEvent('hashchange'))
  } else location.hash = href
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
  !(target instanceof HTMLInputElement && /^(?:checkbox|range|radio)$/.test(target.type))

/** Keys that do something while nobody types and no dialog is open. */
export function useKeys(keys: Readonly<Record<string, (event: KeyboardEvent) => void>>): void {
  const latest = useRef(keys)
  latest.current = keys
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (document.querySelector('dialog[open]')) return
      const act = latest.current[event.key]
      if (!act) return
      event.preventDefault()
      act(event)
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
}

/** The present, told every so often, for what says how long ago something was. */
export function useNow(everyMs = 10_000): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}
