import type { Subject, SubjectDataset } from '../../src/core/filter/matches.js'

/** A subject made of plain records; what a record has not is absent. */
export function subject(
  parts: {
    attributes?: Record<string, string | number>
    metrics?: Record<string, number>
    params?: Record<string, string>
    tags?: Record<string, string>
    datasets?: SubjectDataset[]
  } = {},
): Subject {
  return {
    attribute: (key) => parts.attributes?.[key],
    metric: (key) => parts.metrics?.[key],
    param: (key) => parts.params?.[key],
    tag: (key) => parts.tags?.[key],
    datasets: () => parts.datasets ?? [],
  }
}
