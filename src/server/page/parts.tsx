import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { agoText, timeText } from './format.js'
import { useNow } from './hooks.js'

const STATUS: Readonly<Record<string, string>> = {
  RUNNING: 'running',
  SCHEDULED: 'scheduled',
  FINISHED: 'finished',
  FAILED: 'failed',
  KILLED: 'killed',
}

/** The state of a run: a mark and a word, never a colour alone. */
export const Status = ({ status, short }: { readonly status: string; readonly short?: boolean }) => (
  <span class={`status status-${STATUS[status] ?? 'other'}`} title={STATUS[status] ?? status}>
    <i aria-hidden="true" />
    <span class={short ? 'hidden' : ''}>{STATUS[status] ?? status}</span>
  </span>
)

export const Failure = ({ error }: { readonly error: Error | undefined }) =>
  error ? (
    <div class="failure" role="alert">
      {error.message}
    </div>
  ) : null

export const Empty = ({ children }: { readonly children: ComponentChildren }) => <div class="empty">{children}</div>

export const Waiting = ({ what = 'Loading' }: { readonly what?: string }) => (
  <div class="waiting" role="status">
    {what} …
  </div>
)

/** How long ago, with the time itself when it is pointed at. */
export function Ago({ ms }: { readonly ms: number | undefined }) {
  const now = useNow()
  return ms ? <time title={timeText(ms)}>{agoText(ms, now)}</time> : null
}

export const Stage = ({ stage }: { readonly stage: string }) => (
  <span class={`chip stage-${stage.toLowerCase().replace(/[^a-z]/g, '')}`}>{stage}</span>
)

/** A text to take away, by one click. */
export function Copy({ text, label }: { readonly text: string; readonly label: string }) {
  const [done, setDone] = useState(false)
  const copy = async () => {
    await navigator.clipboard?.writeText(text)
    setDone(true)
    setTimeout(() => setDone(false), 1200)
  }
  return (
    <button type="button" class="quiet copy" onClick={copy} title={`Copy ${label}`} aria-label={`Copy ${label}`}>
      {done ? '✓ copied' : 'copy'}
    </button>
  )
}

interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** A window over the page that takes all keys until it is closed. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    box.current?.showModal()
  }, [])
  return (
    <dialog ref={box} onClose={onClose} aria-label={title}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => box.current?.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  )
}

/** Names and values side by side; long ones break. */
export const Pairs = ({
  pairs,
  label,
}: {
  readonly pairs: readonly (readonly [string, ComponentChildren])[]
  readonly label: string
}) => (
  <table class="pairs" aria-label={label}>
    <tbody>
      {pairs.map(([key, value]) => (
        <tr key={key}>
          <th scope="row">{key}</th>
          <td>{value}</td>
        </tr>
      ))}
    </tbody>
  </table>
)

interface ScrolledProps {
  readonly label: string
  readonly class?: string
  readonly children: ComponentChildren
}

/** What is wider than the page and scrolls by itself, also by keyboard. */
export const Scrolled = ({ label, class: look = 'table-box', children }: ScrolledProps) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
  <section class={look} tabIndex={0} aria-label={label}>
    {children}
  </section>
)
