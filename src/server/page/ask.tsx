import { useState } from 'preact/hooks'
import { Dialog, Failure } from './parts.js'

interface AskProps {
  readonly title: string
  /** What the button that does it says. */
  readonly action: string
  readonly ready?: boolean
  /** Does it; what is thrown is said, and can be put right. */
  readonly act: () => Promise<unknown>
  readonly onClose: () => void
  readonly children: preact.ComponentChildren
  /** Another way out, beside Cancel. */
  readonly other?: preact.ComponentChildren
}

/** A question over the page: nothing happens before it is confirmed here. */
export function Ask({ title, action, ready = true, act, onClose, children, other }: AskProps) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const confirm = (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    act()
      .catch(setError)
      .finally(() => setBusy(false))
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={confirm}>
        {children}
        <Failure error={error} />
        <footer>
          {other}
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy || !ready}>
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
