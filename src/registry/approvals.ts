import type { ModelVersion } from '../core/entities.js'
import { ApprovalRequiredError, InvalidParameterError } from '../errors.js'
import type { CallOptions } from '../transport/transport.js'
import type { RegistryDeps } from './deps.js'
import { checkNote, type Note, notesOf, textIn, writeNote } from './notes.js'
import { isFor, nameOf, type StageTarget, type Target, targetOf } from './target.js'
import type { ModelVersions } from './versions.js'

/** What is approved or rejected, by whom and why. */
export interface ApproveOptions extends CallOptions {
  /** The stage that is asked for, or the alias. */
  readonly stage: StageTarget
  /** The person who says so; the user of this process by default. */
  readonly by?: string | undefined
  /** Why, at most 4,000 characters. */
  readonly comment?: string | undefined
}

/** One person's word on a version's way to a stage or an alias. */
export interface Approval {
  readonly decision: 'approved' | 'rejected'
  readonly stage?: string | undefined
  readonly alias?: string | undefined
  readonly by: string
  readonly comment?: string | undefined
  /** Epoch milliseconds. */
  readonly timestamp: number
}

/** What people say about a version before it moves. */
export interface Approvals {
  /**
   * Approves a version for a stage or an alias. The last word of each person counts. `NotFoundError` when there is no such
   * version.
   */
  approveModelVersion(name: string, version: string | number, options: ApproveOptions): Promise<void>
  /**
   * Rejects a version for a stage or an alias: `transitionStage` throws until the same person approves it. `NotFoundError`
   * when there is no such version.
   */
  rejectModelVersion(name: string, version: string | number, options: ApproveOptions): Promise<void>
  /**
   * Every word on a version, oldest first; each is a tag of it, so that two who write at once lose nothing. `NotFoundError`
   * when there is no such version.
   */
  getApprovals(name: string, version: string | number, options?: CallOptions): Promise<Approval[]>
}

const PREFIX = 'cairn.approval.'

/** The verbs on approvals. */
export function approvals(
  { transport, user = () => undefined, now = Date.now }: RegistryDeps,
  { getModelVersion }: Pick<ModelVersions, 'getModelVersion'>,
): Approvals {
  async function decide(
    decision: Approval['decision'],
    [name, version]: readonly [string, string | number],
    { stage: to, by = user(), comment, signal }: ApproveOptions,
  ): Promise<void> {
    const target = targetOf(to)
    checkNote(by, comment)
    if (!by) throw new InvalidParameterError('Say who approves or rejects: { by }')
    const current = await getModelVersion(name, version, { signal })
    const last = approvalsOf(current).at(-1)?.timestamp ?? 0
    const note: Note = { at: Math.max(now(), last + 1), decision, ...target, by, comment }
    await writeNote(await transport(), current, { prefix: PREFIX, note, signal })
  }

  return {
    approveModelVersion: (name, version, options) => decide('approved', [name, version], options),
    rejectModelVersion: (name, version, options) => decide('rejected', [name, version], options),
    getApprovals: async (name, version, options) => approvalsOf(await getModelVersion(name, version, options)),
  }
}

const approvalsOf = (version: ModelVersion): Approval[] =>
  notesOf(version, PREFIX).flatMap((note) => {
    const [decision, by] = [textIn(note, 'decision'), textIn(note, 'by')]
    if ((decision !== 'approved' && decision !== 'rejected') || by === undefined) return []
    const [stage, alias, comment] = [textIn(note, 'stage'), textIn(note, 'alias'), textIn(note, 'comment')]
    return [{ decision, stage, alias, by, comment, timestamp: note.at }]
  })

/** Throws `ApprovalRequiredError` when somebody rejects the move, or fewer than `needed` people approve it. */
export function requireApproved(version: ModelVersion, target: Target, needed: number | undefined): void {
  if (needed !== undefined && !(Number.isInteger(needed) && needed >= 0))
    throw new InvalidParameterError(`requireApprovals is ${needed}; it must be a whole number, 0 or more`)
  if (needed === 0) return
  const words = approvalsOf(version).filter((approval) => isFor(target, approval))
  const lastWords = [...new Map(words.map((word) => [word.by, word])).values()]
  const what = `Version ${version.version} of ${JSON.stringify(version.name)}`
  const no = lastWords.find(({ decision }) => decision === 'rejected')
  if (no)
    throw new ApprovalRequiredError(
      `${what} is rejected for ${nameOf(target)} by ${no.by}${no.comment ? `: ${no.comment}` : ''}; it may move once ${no.by} approves it`,
    )
  if (lastWords.length < (needed ?? 0))
    throw new ApprovalRequiredError(
      `${what} has ${lastWords.length} of ${needed} approvals for ${nameOf(target)}${lastWords.length > 0 ? ` (${lastWords.map(({ by }) => by).join(', ')})` : ''}; approveModelVersion adds one`,
    )
}
