import { onceFor } from '../core/remembered.js'

/** What the target has of one kind that is a copy, by what it is a copy of. */
export interface Copies<T> {
  /** Those in an experiment of the target. */
  at(experimentId: string): Promise<ReadonlyMap<string, T>>
  /** The first in any of the experiments. */
  find(identity: string): Promise<T | undefined>
}

/** The copies in some experiments, each of which is looked through once, when it is first asked for. */
export function copies<T>(
  experimentIds: Iterable<string>,
  listIn: (experimentId: string) => Promise<ReadonlyMap<string, T>>,
): Copies<T> {
  const seen = new Map<string, Promise<ReadonlyMap<string, T>>>()
  const at = (experimentId: string) => onceFor(seen, experimentId, () => listIn(experimentId))
  return {
    at,
    async find(identity) {
      for (const experimentId of new Set(experimentIds)) {
        const copy = (await at(experimentId)).get(identity)
        if (copy) return copy
      }
      return undefined
    },
  }
}
