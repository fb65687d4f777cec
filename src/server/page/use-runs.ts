import { useEffect, useRef, useState } from 'preact/hooks'
import { api, type Run, type RunsPage } from './api.js'
import { useRepeated } from './hooks.js'

/** Runs that are asked for at a time. */
export const PAGE = 100
/** Runs that are watched at a time: those at the top of what is loaded. */
const WATCHED = 60

interface RunsQuery {
  readonly filter: string
  readonly order: string
  readonly deleted: boolean
}

/** Runs that a search finds, page by page; while some of them train, they are asked for again and again. */
export function useRuns(experimentId: string, { filter, order, deleted }: RunsQuery) {
  const name = JSON.stringify([experimentId, filter, order, deleted])
  const [state, setState] = useState<{ name: string; runs: readonly Run[]; token?: string | undefined; error?: Error }>(
    {
      name: '',
      runs: [],
    },
  )
  const [loading, setLoading] = useState(true)
  const busy = useRef(false)
  const ask = (page_token: string | undefined, signal?: AbortSignal): Promise<RunsPage> =>
    api.searchRuns(
      {
        experiment_ids: [experimentId],
        max_results: PAGE,
        ...(filter ? { filter } : {}),
        ...(order ? { order_by: [order] } : {}),
        ...(deleted ? { run_view_type: 'DELETED_ONLY' } : {}),
        page_token,
      },
      signal,
    )
  const [turn, setTurn] = useState(0)
  // The name says all that is asked.
  useEffect(() => {
    const controller = new AbortController()
    setLoading(true)
    ask(undefined, controller.signal)
      .then(
        (page) => setState({ name, runs: page.runs ?? [], token: page.next_page_token }),
        (error: Error) => controller.signal.aborted || setState((before) => ({ ...before, error })),
      )
      .finally(() => controller.signal.aborted || setLoading(false))
    return () => controller.abort()
  }, [name, turn])

  const loadMore = () => {
    if (busy.current || state.token === undefined || state.name !== name) return
    busy.current = true
    ask(state.token)
      .then((page) =>
        setState((before) => {
          if (before.name !== name) return before
          const have = new Set(before.runs.map(({ info }) => info.run_id))
          const fresh = (page.runs ?? []).filter(({ info }) => !have.has(info.run_id))
          return { ...before, runs: [...before.runs, ...fresh], token: page.next_page_token }
        }),
      )
      .catch(() => undefined)
      .finally(() => {
        busy.current = false
      })
  }

  const replace = (fresh: readonly Run[]) => {
    const byId = new Map(fresh.map((run) => [run.info.run_id, run]))
    setState((before) =>
      before.name === name ? { ...before, runs: before.runs.map((run) => byId.get(run.info.run_id) ?? run) } : before,
    )
  }
  const running = state.runs.filter(({ info }) => info.status === 'RUNNING').slice(0, WATCHED)
  // What trains is asked for by itself, so that nothing else has to be read again.
  useRepeated(
    async (signal) => {
      const found = await api.runs(
        running.map(({ info }) => info.run_id),
        signal,
      )
      replace(found.runs)
    },
    700,
    running.length > 0,
  )
  // Runs that are new come with the first page.
  useRepeated(
    async (signal) => {
      const page = await ask(undefined, signal)
      setState((before) => {
        if (before.name !== name || before.error) return before
        const top = page.runs ?? []
        const ids = new Set(top.map(({ info }) => info.run_id))
        const rest = before.runs.slice(PAGE).filter(({ info }) => !ids.has(info.run_id))
        const short = before.runs.length <= PAGE
        return { ...before, runs: [...top, ...rest], token: short ? page.next_page_token : before.token }
      })
    },
    4_000,
    !loading && !state.error,
  )
  return {
    runs: state.runs,
    error: state.error,
    loading,
    more: state.token !== undefined,
    loadMore,
    reload: () => setTurn((before) => before + 1),
  }
}
