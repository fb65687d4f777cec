import { useState } from 'preact/hooks'
import { api, type FileEntry, fileUrl, type Run } from './api.js'
import { bytesText } from './format.js'
import { useLoaded } from './hooks.js'
import { Empty, Failure, Waiting } from './parts.js'
import { hrefOf } from './route.js'
import { Viewer } from './viewer.js'

interface ArtifactsProps {
  readonly run: Run
  readonly base: readonly string[]
  readonly path: readonly string[]
}

/** The files of a run, folder by folder, and what is in the one that is chosen. */
export function Artifacts({ run, base, path }: ArtifactsProps) {
  const chosen = path.join('/')
  return (
    <div class="artifacts">
      <div class="tree" role="navigation" aria-label="Files of the run">
        <Folder run={run} base={base} path="" chosen={chosen} />
      </div>
      <div class="viewer">
        {chosen === '' ? <Empty>Choose a file to look at.</Empty> : <File run={run} path={chosen} />}
      </div>
    </div>
  )
}

interface FolderProps {
  readonly run: Run
  readonly base: readonly string[]
  readonly path: string
  readonly chosen: string
}

const last = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

function Folder({ run, base, path, chosen }: FolderProps) {
  const { data, error, loading } = useLoaded(
    (signal) => api.files(run.info.run_id, path, signal),
    [`${run.info.run_id}/${path}`],
  )
  if (error) return <Failure error={error} />
  if (!data) return loading ? <Waiting /> : null
  const files = [...(data.files ?? [])].sort(
    (a, b) => Number(b.is_dir ?? false) - Number(a.is_dir ?? false) || a.path.localeCompare(b.path),
  )
  if (files.length === 0) return <Empty>{path === '' ? 'The run left no files.' : 'Empty'}</Empty>
  return (
    <ul>
      {files.map((file) => (
        <li key={file.path}>
          {file.is_dir ? (
            <Branch run={run} base={base} file={file} chosen={chosen} />
          ) : (
            <Leaf base={base} file={file} chosen={chosen} />
          )}
        </li>
      ))}
    </ul>
  )
}

function Branch({ run, base, file, chosen }: Omit<FolderProps, 'path'> & { readonly file: FileEntry }) {
  const [chosenOpen, setOpen] = useState<boolean>()
  const open = chosenOpen ?? chosen.startsWith(`${file.path}/`)
  return (
    <>
      <button type="button" class="quiet branch" aria-expanded={open} onClick={() => setOpen(!open)}>
        <i aria-hidden="true">{open ? '▾' : '▸'}</i>
        {last(file.path)}
      </button>
      {open && <Folder run={run} base={base} path={file.path} chosen={chosen} />}
    </>
  )
}

const Leaf = ({
  base,
  file,
  chosen,
}: {
  readonly base: readonly string[]
  readonly file: FileEntry
  readonly chosen: string
}) => (
  <a
    href={hrefOf([...base, ...file.path.split('/')])}
    aria-current={chosen === file.path ? 'page' : undefined}
    title={file.path}
  >
    <span>{last(file.path)}</span>
    <small>{bytesText(file.file_size ?? 0)}</small>
  </a>
)

function File({ run, path }: { readonly run: Run; readonly path: string }) {
  const url = fileUrl(run.info.run_id, path)
  return (
    <>
      <div class="viewer-head">
        <h2>{path}</h2>
        <a class="button" href={url} download={last(path)}>
          Download
        </a>
      </div>
      <Viewer url={url} path={path} />
    </>
  )
}
