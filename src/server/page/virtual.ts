import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
  Virtualizer,
} from '@tanstack/virtual-core'
import type { RefObject } from 'preact'
import { useLayoutEffect, useState } from 'preact/hooks'

/** The rows of a long table that are in sight, and how high all of them are. */
export interface Visible {
  readonly items: readonly VirtualItem[]
  readonly height: number
  readonly scrollTo: (index: number) => void
}

/** Keeps only those rows of a scrolled element in the page that can be seen. */
export function useVisible(count: number, scrolled: RefObject<HTMLElement>, rowHeight: number): Visible {
  const [, draw] = useState(0)
  const options = {
    count,
    getScrollElement: () => scrolled.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    scrollPaddingStart: rowHeight + 4,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => draw((before) => before + 1),
  }
  const [made] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(options))
  made.setOptions(options)
  useLayoutEffect(() => made._didMount(), [made])
  useLayoutEffect(() => made._willUpdate())
  return { items: made.getVirtualItems(), height: made.getTotalSize(), scrollTo: (index) => made.scrollToIndex(index) }
}
