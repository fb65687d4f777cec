import { useEffect, useState } from 'preact/hooks'
import { ApiError } from './api.js'
import { bytesText } from './format.js'
import { useLoaded } from './hooks.js'
import { Empty, Failure, Scrolled, Waiting } from './parts.js'
import { type Rows, rowsOf } from './rows.js'

const PICTURES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  bmp: 'image/bmp',
  // As a picture it runs no script and fetches nothing.
  svg: 'image/svg+xml',
}
/** What of a text is fetched; the rest is to be downloaded. */
const TEXT_BYTES = 512 * 1024
const PICTURE_BYTES = 32 * 1024 * 1024

interface Shown {
  readonly text: string
  readonly cut: boolean
  readonly size: number
}

async function textOf(url: string, signal: AbortSignal): Promise<Shown> {
  const response = await fetch(url, { signal, headers: { range: `bytes=0-${TEXT_BYTES - 1}` } })
  // A file without bytes has no range.
  if (response.status === 416) return { text: '', cut: false, size: 0 }
  if (!response.ok) throw await refusal(response)
  const bytes = new Uint8Array(await response.arrayBuffer())
  const size = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? bytes.length)
  if (bytes.subarray(0, 4096).includes(0))
    throw new ApiError(`Not a text (${bytesText(size)}); download it to look inside.`, 200, 'BINARY')
  return { text: new TextDecoder().decode(bytes.subarray(0, TEXT_BYTES)), cut: size > TEXT_BYTES, size }
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text()
  try {
    return new ApiError((JSON.parse(text) as { message: string }).message, response.status, '')
  } catch {
    return new ApiError(text.slice(0, 300), response.status, '')
  }
}

/** A file of a run: a picture as a picture, a table as a table, all else as the text it is. */
export function Viewer({ url, path }: { readonly url: string; readonly path: string }) {
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ''
  const type = PICTURES[ending]
  return type ? <Picture url={url} type={type} name={path} /> : <Text url={url} ending={ending} />
}

function Picture({ url, type, name }: { readonly url: string; readonly type: string; readonly name: string }) {
  const { data, error } = useLoaded(
    async (signal) => {
      const response = await fetch(url, { signal })
      if (!response.ok) throw await refusal(response)
      if (Number(response.headers.get('content-length')) > PICTURE_BYTES)
        throw new ApiError('The picture is too large to be shown here; download it.', 200, '')
      return new Blob([await response.arrayBuffer()], { type })
    },
    [url],
  )
  const [src, setSrc] = useState<string>()
  const [broken, setBroken] = useState(false)
  useEffect(() => {
    if (!data) return
    const made = URL.createObjectURL(data)
    setSrc(made)
    setBroken(false)
    return () => URL.revokeObjectURL(made)
  }, [data])
  if (error) return <Failure error={error} />
  if (broken) return <Empty>This is no picture that a browser can show.</Empty>
  return src ? <img src={src} alt={name} onError={() => setBroken(true)} /> : <Waiting />
}

function Text({ url, ending }: { readonly url: string; readonly ending: string }) {
  const { data, error } = useLoaded((signal) => textOf(url, signal), [url])
  const [plain, setPlain] = useState(false)
  if (error)
    return error instanceof ApiError && error.code === 'BINARY' ? (
      <Empty>{error.message}</Empty>
    ) : (
      <Failure error={error} />
    )
  if (!data) return <Waiting />
  if (data.size === 0) return <Empty>The file is empty.</Empty>
  const rows = data.cut ? undefined : rowsOf(data.text, ending)
  return (
    <>
      {data.cut && (
        <p class="note">
          The first {bytesText(TEXT_BYTES)} of {bytesText(data.size)}.
        </p>
      )}
      {rows && (
        <p>
          <button type="button" onClick={() => setPlain(!plain)}>
            {plain ? 'Show as table' : 'Show as text'}
          </button>
        </p>
      )}
      {rows && !plain ? (
        <Table rows={rows} />
      ) : (
        <pre class="text">{ending === 'json' ? pretty(data.text) : data.text}</pre>
      )}
    </>
  )
}

function pretty(text: string): string {
  // What would lose digits when read and written again stays as it is.
  if (/\d{16}/.test(text)) return text
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

const SHOWN_ROWS = 500

const Table = ({ rows }: { readonly rows: Rows }) => (
  <>
    <Scrolled label="Table">
      <table>
        <thead>
          <tr>
            {rows.columns.map((column, index) => (
              // Columns may have one name twice.
              <th key={index} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.data.slice(0, SHOWN_ROWS).map((row, index) => (
            // Rows and cells have nothing else to be told by.
            <tr key={index}>
              {rows.columns.map((_, at) => (
                <td key={at}>{row[at] ?? ''}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolled>
    {rows.data.length > SHOWN_ROWS && <p class="note">{`The first ${SHOWN_ROWS} of ${rows.data.length} rows.`}</p>}
  </>
)
