import { beginRun } from '../run/begin.js'
import { endAtExit, forgetAtExit } from '../run/exit.js'
import { type ExperimentInUse, experimentInUse } from '../run/experiment.js'
import type { LiveRun, Run } from '../run/handle.js'
import { knownParams } from '../run/known-params.js'
import { type LogModelWays, logModelOf } from '../run/model.js'
import { directOutlet } from '../run/outlet.js'
import { openRun } from '../run/run.js'
import { runUrl, whereToLook } from '../run/run-page.js'
import type { StartRunOptions } from '../run/start.js'
import type { DeliveryEvents } from '../spool/deliverer.js'
import { type Experiments, experiments } from '../tracking/experiments.js'
import type { BufferOptions } from '../tracking/metric-buffer.js'
import { type Runs, runs } from '../tracking/runs.js'
import type { Parts } from '../wire.js'

/** How a client's runs begin. */
export interface Starting {
  /** The experiment that they go to. */
  readonly inUse: ExperimentInUse
  /** Those that are open. */
  readonly open: ReadonlySet<LiveRun>
  /** Begins one; what it is given was checked. */
  start(asked: StartRunOptions): Promise<Run>
}

/** What the beginning of runs needs beside the parts. */
export interface StartingDeps {
  readonly experiments: Experiments
  readonly runs: Runs
  readonly watch: (runId: string) => DeliveryEvents
  readonly models: LogModelWays
  readonly warn: (message: string) => void
  /** Told what waits on disk, and why. */
  readonly away: (said: string) => void
}

/** A start that took this long to find its server away, in milliseconds, spares the next ones the wait for as long again. */
const SLOW_MS = 5_000

/** Runs that go on in this process, whichever client has them. */
const goingOn = new Set<LiveRun>()

/** Begins the runs of a client, each of which is ended with the process at the latest. */
export function startingOf(parts: Parts, deps: StartingDeps): Starting {
  const { settings, backends, rules, impatient } = parts
  const { watch, warn, away } = deps
  const tracking = backends.tracking.transport
  const open = new Set<LiveRun>()
  const paramsOf = knownParams()
  const isServer = parts.spool !== undefined
  const mayBeOffline = isServer && settings.offline === 'fallback'
  const startTransport = isServer ? impatient.transport : tracking
  const starting = isServer ? experiments(startTransport) : deps.experiments
  const startVerbs = isServer
    ? runs({ transport: startTransport, experiments: starting, defaultExperimentIds: () => [], rules })
    : deps.runs
  const inUse = experimentInUse({ starting, mayBeOffline, isNever: isServer && !mayBeOffline, settings, away })
  const outageNow = () => parts.spool?.outage.current ?? 0
  /** The outage that a start was slow to find, and until when the next ones take its word. */
  let found = { outage: 0, until: 0 }

  async function start(asked: StartRunOptions): Promise<Run> {
    const before = performance.now()
    const begun = await beginRun(
      {
        experiments: starting,
        runs: startVerbs,
        server: backends.tracking.local ? undefined : startTransport,
        rules,
        chosen: inUse.chosen,
        current: inUse.current,
        isOpen: (runId) => [...goingOn].some((run) => run.runId === runId),
        knownExperiment: inUse.known,
        user: settings.user,
        runContext: settings.runContext,
        mayBeOffline,
        isStillAway: () => outageNow() !== 0 && outageNow() === found.outage && performance.now() < found.until,
        backend: { transport: tracking, openArtifacts: parts.openNamedPlace },
        impatient: { transport: impatient.transport, openArtifacts: impatient.openNamedPlace },
        spool: parts.spool?.open,
        elders: async (runId, signal) => parts.spool?.elders(runId, signal) ?? [],
        direct: async (runId) => directOutlet(await tracking(), runId),
        serverRunId: (runId) => (parts.spool ? parts.spool.serverRunId(runId) : runId),
        watch,
        warn,
        away,
      },
      asked,
    )
    const { data, owned, outlet, spooled, store, transport, isOnline, wasAsked } = begun
    const known = paramsOf(data.info.runId)
    const now = performance.now()
    if (wasAsked && !isOnline && now - before >= SLOW_MS) found = { outage: outageNow(), until: now + (now - before) }
    const run: LiveRun = openRun(data, {
      known: known.params,
      ...{ transport, outlet, store, rules, owned, activeModelId: settings.activeModelId },
      endTimeoutMs: parts.endTimeoutMs,
      buffer: {
        ...parts.buffer,
        ...bufferWatch(watch(data.info.runId)),
        onFull: ({ message }) => warn(`Run ${data.info.runId}: ${message}`),
      },
      say: parts.say,
      url: isOnline ? runUrl(data, backends.tracking.uri, settings.http.workspace) : undefined,
      whereToLook:
        settings.suppressUrl || !isOnline
          ? undefined
          : whereToLook(data, backends.tracking.uri, settings.http.workspace),
      logModel: (model, how) => logModelOf(deps.models, { run, spooled }, model, how),
      toDisk: spooled?.leave,
      onEnded: () => {
        known.release()
        open.delete(run)
        goingOn.delete(run)
        forgetAtExit(run)
      },
    })
    open.add(run)
    goingOn.add(run)
    endAtExit(run)
    try {
      run.logParams(asked.params ?? {})
    } catch (error) {
      // A run that is resumed while its server is away may have another value; nobody has a handle to end it with.
      await run.finish('FAILED')
      throw error
    }
    return run
  }

  return { inUse, open, start }
}

const bufferWatch = ({ onRetry, onRefused, onRecovered }: DeliveryEvents): BufferOptions => ({
  ...(onRetry && { onRetry }),
  ...(onRefused && { onRefused }),
  ...(onRecovered && { onRecovered }),
})
