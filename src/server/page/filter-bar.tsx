import type { RefObject } from 'preact'
import { useEffect, useState } from 'preact/hooks'

interface FilterBarProps {
  readonly input: RefObject<HTMLInputElement>
  readonly value: string
  readonly error: Error | undefined
  readonly onApply: (text: string) => void
}

/** A filter in MLflow's grammar; what is wrong with it is said where it broke. */
export function FilterBar({ input, value, error, onApply }: FilterBarProps) {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const apply = (event: Event) => {
    event.preventDefault()
    onApply(text.trim())
  }
  const leave = (event: KeyboardEvent) => {
    if (event.key === 'Escape') input.current?.blur()
  }
  return (
    <form class="filter" onSubmit={apply}>
      <div class="filter-row">
        <input
          ref={input}
          type="text"
          value={text}
          placeholder="metrics.auc > 0.8 AND params.model = 'cnn' AND tags.team = 'growth'"
          aria-label="Filter runs"
          aria-invalid={error !== undefined}
          aria-describedby={error ? 'filter-error' : undefined}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={leave}
        />
        {value !== '' && (
          <button type="button" class="quiet" onClick={() => onApply('')}>
            Clear
          </button>
        )}
        <button type="submit">Filter</button>
      </div>
      {error && (
        <pre class="filter-error" id="filter-error" role="alert">
          {error.message}
        </pre>
      )}
    </form>
  )
}
