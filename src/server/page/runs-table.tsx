import { useEffect, useRef, useState } from 'preact/hooks'
import { nameOf, type Run } from './api.js'
import { type Column, cellText, orderKey } from './columns.js'
import { go, useKeys, useNow } from './hooks.js'
import { Status } from './parts.js'
import { hrefOf } from './route.js'
import { useVisible } from './virtual.js'

interface TableProps {
  readonly runs: readonly Run[]
  readonly columns: readonly Column[]
  readonly order: string
  readonly onSort: (id: string) => void
  readonly selected: ReadonlySet<string>
  readonly onSelect: (selected: ReadonlySet<string>) => void
  readonly onEnd: () => void
  readonly busy: boolean
}

const ROW = 36
const hrefOfRun = ({ info }: Run): string => hrefOf(['experiments', info.experiment_id, 'runs', info.run_id])

/** Runs as rows, of which only those in sight are in the page; arrows walk, space ticks, enter opens. */
export function RunsTable({ runs, columns, order, onSort, selected, onSelect, onEnd, busy }: TableProps) {
  const box = useRef<HTMLDivElement>(null)
  const now = useNow(runs.some(({ info }) => info.status === 'RUNNING') ? 1000 : 60_000)
  const { items, height, scrollTo } = useVisible(runs.length, box, ROW)
  const [at, setAt] = useState(-1)
  const last = items.at(-1)?.index ?? 0
  // Told once whenever the end is near.
  useEffect(() => {
    if (last >= runs.length - 20) onEnd()
  }, [last, runs, busy])

  const toggle = (id: string) => {
    const next = new Set(selected)
    if (!next.delete(id)) next.add(id)
    onSelect(next)
  }
  const walk = (by: number) => {
    const next = Math.min(runs.length - 1, Math.max(0, at + by))
    setAt(next)
    scrollTo(next)
  }
  const here = runs[at]
  useKeys({
    ArrowDown: () => walk(1),
    ArrowUp: () => walk(-1),
    j: () => walk(1),
    k: () => walk(-1),
    PageDown: () => walk(20),
    PageUp: () => walk(-20),
    ' ': () => here && toggle(here.info.run_id),
    x: () => here && toggle(here.info.run_id),
    Enter: (event) => {
      const { target } = event
      if (target instanceof HTMLElement && /^(?:A|BUTTON)$/.test(target.tagName)) target.click()
      else if (here) go(hrefOfRun(here))
    },
  })

  const template = `34px minmax(170px, 1.4fr) ${columns.map(widthOf).join(' ')}`
  const sorted = (column: Column) => {
    const key = orderKey(column)
    return key === undefined || !order.startsWith(`${key} `)
      ? undefined
      : order.endsWith(' DESC')
        ? 'descending'
        : 'ascending'
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <div class={`grid-box${busy ? ' busy' : ''}`} ref={box} tabIndex={0} role="region" aria-label="Runs">
      <div role="table" aria-label="Runs" aria-rowcount={runs.length + 1} class="grid" style={{ height: height + ROW }}>
        <div role="row" class="grid-row grid-head" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
          <div role="columnheader">
            <input
              type="checkbox"
              aria-label="Tick all loaded runs"
              checked={selected.size > 0 && runs.every(({ info }) => selected.has(info.run_id))}
              onChange={(event) =>
                onSelect(new Set(event.currentTarget.checked ? runs.map(({ info }) => info.run_id) : []))
              }
            />
          </div>
          <div role="columnheader">Run</div>
          {columns.map((column) => (
            <div
              role="columnheader"
              key={column.id}
              aria-sort={sorted(column) ?? 'none'}
              class={column.kind === 'metrics' ? 'number' : ''}
            >
              {orderKey(column) === undefined ? (
                column.title
              ) : (
                <button type="button" class="sort" onClick={() => onSort(column.id)} title={`Sort by ${column.id}`}>
                  <span>{column.title}</span>
                  {sorted(column) && <i aria-hidden="true">{sorted(column) === 'ascending' ? '↑' : '↓'}</i>}
                </button>
              )}
            </div>
          ))}
        </div>
        {items.map(({ index, start }) => {
          const run = runs[index]
          if (!run) return null
          const { run_id: id } = run.info
          const look = `grid-row${index === at ? ' at' : ''}${selected.has(id) ? ' ticked' : ''}`
          return (
            <div
              role="row"
              key={id}
              class={look}
              aria-rowindex={index + 2}
              style={{ gridTemplateColumns: template, transform: `translateY(${start + ROW}px)` }}
            >
              <div role="cell">
                <input
                  type="checkbox"
                  aria-label={`Tick ${nameOf(run)}`}
                  checked={selected.has(id)}
                  onChange={() => toggle(id)}
                />
              </div>
              <div role="cell" class="name">
                <Status status={run.info.status} short />
                <a href={hrefOfRun(run)} onFocus={() => setAt(index)}>
                  {nameOf(run)}
                </a>
              </div>
              {columns.map((column) => {
                const text = cellText(run, column, now)
                return (
                  <div
                    role="cell"
                    key={column.id}
                    class={column.kind === 'metrics' ? 'number' : ''}
                    title={text.length > 12 ? text : undefined}
                  >
                    {text}
                  </div>
                )
              })}
            </div>
          )
        })}
      </div>
    </div>
  )
}

function widthOf({ kind, key }: Column): string {
  if (kind === 'metrics') return 'minmax(88px, 1fr)'
  if (key === 'start_time') return '158px'
  if (key === 'run_id') return '270px'
  return 'minmax(88px, 1fr)'
}
