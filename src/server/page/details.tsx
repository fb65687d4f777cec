import { useState } from 'preact/hooks'
import { TAG } from '../../core/tags.js'
import { type Pair, type Run, record } from './api.js'
import { EditTag } from './edit.js'
import { numberText } from './format.js'
import { Pairs } from './parts.js'

const byKey = (a: { key: string }, b: { key: string }): number => a.key.localeCompare(b.key)

/** What a run was given, what it came to, and what people say of it. */
export function Details({ run, onChange }: { readonly run: Run; readonly onChange: () => void }) {
  const [editing, setEditing] = useState<Pair | 'new'>()
  const close = () => setEditing(undefined)

  const { params = [], tags = [], metrics = [] } = run.data
  const datasets = run.inputs?.dataset_inputs ?? []
  const own = tags.filter(({ key }) => !key.startsWith('mlflow.'))
  const system = tags.filter(({ key }) => key.startsWith('mlflow.') && key !== TAG.note)
  return (
    <div class="details">
      <div>
        <h2>Parameters</h2>
        {params.length > 0 ? (
          <Pairs label="Parameters" pairs={[...params].sort(byKey).map(({ key, value }) => [key, value] as const)} />
        ) : (
          <p class="none">None</p>
        )}
        <h2>Latest metrics</h2>
        {metrics.length > 0 ? (
          <Pairs
            label="Latest metrics"
            pairs={[...metrics]
              .sort(byKey)
              .map(
                ({ key, value, step }) => [key, <MetricValue key={key} value={Number(value)} step={step} />] as const,
              )}
          />
        ) : (
          <p class="none">None</p>
        )}
      </div>
      <div>
        <h2>
          Tags
          <button type="button" class="quiet" aria-label="Add a tag" onClick={() => setEditing('new')}>
            add
          </button>
        </h2>
        {own.length > 0 ? (
          <Pairs
            label="Tags"
            pairs={[...own]
              .sort(byKey)
              .map((tag) => [tag.key, <TagValue key={tag.key} tag={tag} onEdit={setEditing} />] as const)}
          />
        ) : (
          <p class="none">None</p>
        )}
        <h2>Datasets</h2>
        {datasets.length > 0 ? (
          datasets.map(({ dataset, tags: given }) => (
            <Pairs
              key={`${dataset.name}/${dataset.digest}`}
              label={`Dataset ${dataset.name}`}
              pairs={(
                [
                  ['Name', dataset.name],
                  ['Digest', dataset.digest],
                  ['Used for', record(given)[TAG.datasetContext] ?? ''],
                  ['Source', dataset.source ?? ''],
                  ['Schema', dataset.schema ?? ''],
                  ['Profile', dataset.profile ?? ''],
                ] as const
              ).filter(([, value]) => value !== '')}
            />
          ))
        ) : (
          <p class="none">None</p>
        )}
        {system.length > 0 && (
          <details>
            <summary>MLflow's own tags ({system.length})</summary>
            <Pairs
              label="MLflow's own tags"
              pairs={[...system].sort(byKey).map(({ key, value }) => [key, value] as const)}
            />
          </details>
        )}
      </div>
      {editing && (
        <EditTag
          run={run}
          tag={editing === 'new' ? undefined : editing}
          onDone={() => {
            close()
            onChange()
          }}
          onClose={close}
        />
      )}
    </div>
  )
}

const TagValue = ({ tag, onEdit }: { readonly tag: Pair; readonly onEdit: (tag: Pair) => void }) => (
  <span class="tag-value">
    {tag.value}
    <button type="button" class="quiet" aria-label={`Edit the tag ${tag.key}`} onClick={() => onEdit(tag)}>
      edit
    </button>
  </span>
)

const MetricValue = ({ value, step }: { readonly value: number; readonly step: number | undefined }) => (
  <>
    <span title={String(value)}>{numberText(value)}</span>
    {step ? <small class="dim"> at step {numberText(step)}</small> : null}
  </>
)
