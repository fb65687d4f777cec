import type { ModelVersion } from '../core/entities.js'
import { byName } from '../core/filter/by-name.js'
import { checkModelName, checkVersion } from '../core/names.js'
import { CairnError, errorFromCode, InvalidParameterError, NotFoundError, NothingToRollBackError } from '../errors.js'
import type { CallOptions } from '../transport/transport.js'
import { requireApproved } from './approvals.js'
import type { RegistryDeps } from './deps.js'
import { toModelVersion } from './entities.js'
import { EVENT_PREFIX, eventNote, eventsOf, heldBefore, type StageEvent } from './history.js'
import { type RequiredMetric, requireReached } from './metric.js'
import { checkNote, writeNote } from './notes.js'
import { nameOf, type StageTarget, type Target, targetOf } from './target.js'
import type { ModelVersions } from './versions.js'

/** How a stage or an alias is given back. */
export interface RollbackOptions extends CallOptions {
  /** The person who moves it; the user of this process by default. */
  readonly by?: string | undefined
  /** Why, at most 4,000 characters. */
  readonly comment?: string | undefined
}

/** How a version is moved: by whom, why, and under which conditions. */
export interface TransitionOptions extends RollbackOptions {
  /** Whether the versions that hold the stage go to `Archived`; they stay by default. An alias has one holder anyway. */
  readonly archiveExisting?: boolean | undefined
  /**
   * How many different people must have approved. By default none need to, but a rejection stops the move; 0 ignores
   * rejections too.
   */
  readonly requireApprovals?: number | undefined
  /** Metrics of the version's model or run that must lie within limits. */
  readonly requireMetric?: RequiredMetric | readonly RequiredMetric[] | undefined
}

/** Moves between stages, or of aliases, and what is remembered of them. */
export interface Stages {
  /**
   * Moves a version to a stage, or an alias to a version (`{ alias: 'champion' }`), and notes who, when and why as a tag of
   * each version that moved. Throws, before anything moves, `NotFoundError` for a version that is not there,
   * `InvalidParameterError` for an unknown stage, `ApprovalRequiredError` when it is rejected, lacks approvals or misses a metric.
   */
  transitionStage(
    name: string,
    version: string | number,
    stage: StageTarget,
    options?: TransitionOptions,
  ): Promise<ModelVersion>
  /**
   * Gives `Staging`, `Production` or an alias back to the version that held it before; whoever holds the stage goes to
   * `Archived`. With nobody in it, the version that held it last returns. Rolling back again goes further back, not to and
   * fro. Resolves to the version that is back; `NothingToRollBackError` when history knows none, `NotFoundError` for an
   * unknown name.
   */
  rollback(name: string, stage: StageTarget, options?: RollbackOptions): Promise<ModelVersion>
  /**
   * Every move on record, of stages and aliases, oldest first. Deleted versions take theirs along. `NotFoundError` for an
   * unknown name.
   */
  getStageHistory(name: string, options?: CallOptions): Promise<StageEvent[]>
}

/** The verbs on stages; an alias does wherever a stage does. */
export function stages(
  { transport, tracking = transport, user = () => undefined, now = Date.now }: RegistryDeps,
  { iterateModelVersions }: Pick<ModelVersions, 'iterateModelVersions'>,
): Stages {
  let lastAt = 0

  async function versionsOf(name: string, { signal }: CallOptions = {}): Promise<ModelVersion[]> {
    const backend = await transport()
    const answer = await backend.call('getRegisteredModel', { name: checkModelName(name) }, { signal })
    const { aliases } = answer.registered_model
    const found: ModelVersion[] = []
    for await (const version of iterateModelVersions({ filter: byName(name), signal }))
      if (version.name === name) {
        // Servers leave aliases out of what a search finds.
        const own = aliases.filter((one) => one.version === version.version).map(({ alias }) => alias)
        found.push({ ...version, aliases: own })
      }
    return found.sort((a, b) => (a.lastUpdatedTimestamp ?? 0) - (b.lastUpdatedTimestamp ?? 0))
  }

  async function move(
    versions: readonly ModelVersion[],
    current: ModelVersion,
    target: Target,
    { archive, rollback, by = user(), comment, signal }: RollbackOptions & { archive: boolean; rollback: boolean },
  ): Promise<ModelVersion> {
    const backend = await transport()
    const { name, version } = current
    lastAt = Math.max(lastAt, ...eventsOf(versions).map(({ timestamp }) => timestamp))
    const event = (of: ModelVersion, from: string | undefined, to: string, back = false): StageEvent => {
      // Clocks of several machines differ; what follows on record must not seem to come before.
      lastAt = Math.max(now(), lastAt + 1)
      return { version: of.version, timestamp: lastAt, from, to, alias: target.alias, by, comment, rollback: back }
    }
    const events: StageEvent[] = []

    if (target.alias === undefined) {
      const input = { name, version, stage: target.stage, archive_existing_versions: archive }
      await backend.call('transitionModelVersionStage', input, { signal })
      const leaving = archive ? holdersOf(versions, target).filter((other) => other.version !== version) : []
      if (current.currentStage !== target.stage || leaving.length > 0)
        events.push(event(current, current.currentStage, target.stage, rollback))
      for (const other of leaving) events.push(event(other, target.stage, 'Archived'))
    } else {
      const [holder] = holdersOf(versions, target)
      await backend.call('setRegisteredModelAlias', { name, version, alias: target.alias }, { signal })
      if (holder?.version !== version) events.push(event(current, holder?.version, version, rollback))
    }

    try {
      for (const one of events)
        await writeNote(backend, { name, version: one.version }, { prefix: EVENT_PREFIX, note: eventNote(one), signal })
    } catch (error) {
      if (!(error instanceof CairnError)) throw error
      const said = `Version ${version} of ${JSON.stringify(name)} has ${nameOf(target)} now, but its history could not be written: ${error.message}`
      throw errorFromCode(error.code, said, { cause: error, ...(error.status ? { status: error.status } : {}) })
    }
    return toModelVersion((await backend.call('getModelVersion', { name, version }, { signal })).model_version)
  }

  return {
    async transitionStage(name, version, stage, options = {}) {
      const { archiveExisting: archive = false, requireApprovals, requireMetric = [], by, comment, signal } = options
      const target = targetOf(stage)
      checkNote(by, comment)
      if (archive && (target.stage === 'None' || target.stage === 'Archived'))
        throw new InvalidParameterError(
          `archiveExisting goes with Staging and Production; leave it out for a move to ${target.stage}`,
        )
      const number = checkVersion(version)
      const versions = await versionsOf(name, { signal })
      const current = versions.find((one) => one.version === number)
      if (!current) throw new NotFoundError(`The registered model ${JSON.stringify(name)} has no version ${number}`)
      requireApproved(current, target, requireApprovals)
      for (const metric of [requireMetric].flat())
        await requireReached(current, metric, { registry: transport, tracking, signal })
      return move(versions, current, target, { archive, rollback: false, by, comment, signal })
    },

    async rollback(name, stage, { by, comment, signal } = {}) {
      const target = targetOf(stage)
      checkNote(by, comment)
      if (target.stage === 'None' || target.stage === 'Archived')
        throw new InvalidParameterError(`Only Staging, Production and aliases are rolled back, not ${target.stage}`)
      const versions = await versionsOf(name, { signal })
      const holders = holdersOf(versions, target).map((one) => one.version)
      const number = heldBefore(eventsOf(versions), target, holders)
      const earlier = versions.find((one) => one.version === number)
      if (!earlier)
        throw new NothingToRollBackError(
          `No earlier version of ${JSON.stringify(name)} is on record for ${nameOf(target)}; history begins with the first transitionStage`,
        )
      return move(versions, earlier, target, {
        archive: target.stage !== undefined,
        rollback: true,
        by,
        comment,
        signal,
      })
    },

    getStageHistory: async (name, options) => eventsOf(await versionsOf(name, options)),
  }
}

const holdersOf = (versions: readonly ModelVersion[], target: Target): ModelVersion[] =>
  versions.filter((version) =>
    target.alias === undefined ? version.currentStage === target.stage : version.aliases.includes(target.alias),
  )
