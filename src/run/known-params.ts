/** What is known of a run's params, whichever handle of the run has logged them. */
export interface KnownParams {
  readonly params: Map<string, string>
  /** This handle is done with it. */
  release(): void
}

/** Answers what is known of the params of one run, for as long as any handle of that run has it. */
export function knownParams(): (runId: string) => KnownParams {
  const known = new Map<string, { readonly params: Map<string, string>; handles: number }>()
  return (runId) => {
    const one = known.get(runId) ?? { params: new Map<string, string>(), handles: 0 }
    one.handles++
    known.set(runId, one)
    return {
      params: one.params,
      release() {
        if (--one.handles === 0) known.delete(runId)
      },
    }
  }
}
