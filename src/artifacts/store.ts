/** One entry of a listing. */
export interface ArtifactFile {
  /** Path below the store's root, with `/` between segments. */
  readonly path: string
  readonly isDir: boolean
  /** Bytes; absent for directories. */
  readonly size?: number | undefined
}

/** What a caller may say about one transfer. */
export interface TransferOptions {
  readonly signal?: AbortSignal | undefined
  /** Of a write: called, instead of looking, where the answer does not tell that the file is stored; the caller looks, once for many. */
  readonly onUnsure?: (() => void) | undefined
}

/** Files by path under one URI: what a backend for artifacts has to do. Paths are checked before they reach a store. */
export interface ArtifactStore {
  /** Upper bound on tries for one file whose transfer breaks off; 4 unless this is less. */
  readonly attempts?: number | undefined
  /** The entries directly below a directory (`''` is the root), in any order; a file or an absent path lists nothing. */
  list(path: string, options?: TransferOptions): Promise<readonly ArtifactFile[]>
  /** The bytes of one file, as a stream; `NotFoundError` when it is not there. */
  read(path: string, options?: TransferOptions): Promise<ReadableStream<Uint8Array>>
  /** Writes one file whole, making directories as needed; what stood there before is replaced. */
  write(path: string, data: Blob, options?: TransferOptions): Promise<void>
  /** Removes a file, or a directory with all below it; absent is success. */
  remove(path: string, options?: TransferOptions): Promise<void>
  /** Throws for a path that reads well but that this store cannot keep a file under; asked before anything is written. */
  checkWritable?(path: string): void
}

/** Opens the store that serves a URI. */
export type OpenArtifacts = (uri: string) => ArtifactStore | Promise<ArtifactStore>
