import { useState } from 'preact/hooks'
import { TAG } from '../../core/tags.js'
import { api, type Pair, type Run, record } from './api.js'
import { Ask } from './ask.js'

/** The longest value that MLflow keeps of a tag. */
const LONGEST = 8_000

export const noteOf = (run: Run): string | undefined => record(run.data.tags)[TAG.note]

interface EditProps {
  readonly run: Run
  readonly onDone: () => void
  readonly onClose: () => void
}

/** What somebody has to say of a run. */
export function EditNote({ run, onDone, onClose }: EditProps) {
  const before = noteOf(run) ?? ''
  const [text, setText] = useState(before)
  const { run_id } = run.info
  const act = async () => {
    if (text.trim() !== '') await api.setTag({ run_id, key: TAG.note, value: text })
    else if (before !== '') await api.deleteTag({ run_id, key: TAG.note })
    onDone()
  }
  return (
    <Ask title="Note" action="Save" ready={text !== before} act={act} onClose={onClose}>
      <label class="field">
        What is there to say of this run?
        <textarea rows={6} maxLength={LONGEST} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
    </Ask>
  )
}

/** One tag of a run: a new one, another value, or gone. */
export function EditTag({ run, tag, onDone, onClose }: EditProps & { readonly tag: Pair | undefined }) {
  const [key, setKey] = useState(tag?.key ?? '')
  const [value, setValue] = useState(tag?.value ?? '')
  const { run_id } = run.info
  const name = key.trim()
  const save = async () => {
    await api.setTag({ run_id, key: name, value })
    onDone()
  }
  const [removing, setRemoving] = useState(false)
  const remove = async () => {
    await api.deleteTag({ run_id, key: name })
    onDone()
  }
  if (removing)
    return (
      <Ask title="Remove the tag" action="Remove" act={remove} onClose={onClose}>
        <p>
          The run loses its tag <b>{name}</b>.
        </p>
      </Ask>
    )
  const other = tag && (
    <button type="button" class="quiet" onClick={() => setRemoving(true)}>
      Remove …
    </button>
  )
  return (
    <Ask
      title={tag ? 'Edit the tag' : 'A new tag'}
      action="Save"
      ready={name !== '' && (tag === undefined || value !== tag.value)}
      act={save}
      onClose={onClose}
      other={other}
    >
      <label class="field">
        Name
        <input
          type="text"
          value={key}
          disabled={tag !== undefined}
          spellcheck={false}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <label class="field">
        Value
        <textarea rows={3} maxLength={LONGEST} value={value} onInput={(event) => setValue(event.currentTarget.value)} />
      </label>
    </Ask>
  )
}
