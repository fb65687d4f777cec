import { useState } from 'preact/hooks'
import { api, type Version } from './api.js'
import { Ask } from './ask.js'

/** The version that is about to move, to a stage or to an alias. */
export interface Moving {
  readonly version: string
  readonly to: 'stage' | 'alias'
}

const STAGES = ['Production', 'Staging', 'Archived', 'None'] as const

interface ReasonedProps {
  readonly title: string
  readonly action: string
  readonly ready?: boolean
  readonly act: (comment: string) => Promise<unknown>
  readonly onClose: () => void
  readonly children: preact.ComponentChildren
}

/** A move that is confirmed, with a reason for the history. */
function Reasoned({ act, children, ...rest }: ReasonedProps) {
  const [comment, setComment] = useState('')
  return (
    <Ask {...rest} act={() => act(comment.trim())}>
      {children}
      <label class="field">
        Why (kept in the history)
        <textarea
          rows={2}
          maxLength={4000}
          value={comment}
          onInput={(event) => setComment(event.currentTarget.value)}
        />
      </label>
    </Ask>
  )
}

interface MoveProps {
  readonly name: string
  readonly moving: Moving
  readonly versions: readonly Version[]
  readonly onDone: (told: string) => void
  readonly onClose: () => void
}

export const Move = (props: MoveProps) =>
  props.moving.to === 'stage' ? <ToStage {...props} /> : <ToAlias {...props} />

function ToStage({ name, moving: { version }, versions, onDone, onClose }: MoveProps) {
  const now = versions.find((one) => one.version === version)?.current_stage ?? 'None'
  const [stage, setStage] = useState<string>(STAGES.find((one) => one !== now) ?? 'Production')
  const [archive, setArchive] = useState(true)
  const others = versions.filter((one) => one.current_stage === stage && one.version !== version)
  const exclusive = stage === 'Production' || stage === 'Staging'
  const act = async (comment: string) => {
    await api.transition({
      name,
      version,
      stage,
      ...(exclusive && archive ? { archiveExisting: true } : {}),
      ...(comment ? { comment } : {}),
    })
    onDone(`Version ${version} is in ${stage} now.`)
  }
  return (
    <Reasoned
      title={`Move version ${version}`}
      action={`Move to ${stage}`}
      ready={stage !== now}
      act={act}
      onClose={onClose}
    >
      <fieldset class="choices">
        <legend>To</legend>
        {STAGES.map((one) => (
          <label key={one} class="check">
            <input
              type="radio"
              name="stage"
              value={one}
              checked={stage === one}
              disabled={one === now}
              onChange={() => setStage(one)}
            />
            {one}
            {one === now ? ' (where it is)' : ''}
          </label>
        ))}
      </fieldset>
      {exclusive && others.length > 0 && (
        <label class="check">
          <input type="checkbox" checked={archive} onChange={(event) => setArchive(event.currentTarget.checked)} />
          Archive {others.map((one) => `version ${one.version}`).join(', ')}, which {others.length === 1 ? 'is' : 'are'}{' '}
          in {stage} now
        </label>
      )}
    </Reasoned>
  )
}

function ToAlias({ name, moving: { version }, onDone, onClose }: MoveProps) {
  const [alias, setAlias] = useState('')
  const act = async (comment: string) => {
    await api.transition({ name, version, stage: { alias: alias.trim() }, ...(comment ? { comment } : {}) })
    onDone(`@${alias.trim()} is version ${version} now.`)
  }
  return (
    <Reasoned
      title={`An alias for version ${version}`}
      action="Set alias"
      ready={alias.trim() !== ''}
      act={act}
      onClose={onClose}
    >
      <label class="field">
        Alias
        <input
          type="text"
          value={alias}
          placeholder="champion"
          spellcheck={false}
          onInput={(event) => setAlias(event.currentTarget.value)}
        />
      </label>
      <p class="dim">A version that has the alias now loses it.</p>
    </Reasoned>
  )
}

interface RollbackProps {
  readonly name: string
  readonly stage: string
  readonly versions: readonly Version[]
  readonly onDone: (told: string) => void
  readonly onClose: () => void
}

export function Rollback({ name, stage, versions, onDone, onClose }: RollbackProps) {
  const holders = versions.filter((one) => one.current_stage === stage)
  const act = async (comment: string) => {
    const { version } = await api.rollback({ name, stage, ...(comment ? { comment } : {}) })
    onDone(`Version ${version} is back in ${stage}.`)
  }
  return (
    <Reasoned title={`Roll ${stage} back`} action="Roll back" act={act} onClose={onClose}>
      <p>
        The version that was in {stage} before gets it back
        {holders.length > 0
          ? `; ${holders.map(({ version }) => `version ${version}`).join(', ')} will be archived`
          : ''}
        .
      </p>
    </Reasoned>
  )
}
