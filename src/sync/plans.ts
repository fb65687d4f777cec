import type { ModelPlan } from './model-plan.js'
import type { RunPlan } from './run-plan.js'

/** All that is copied of what belongs to runs. */
export interface Plans {
  /** Source id → target id of the experiments that are copied. */
  readonly experiments: ReadonlyMap<string, string>
  readonly runs: RunPlan
  readonly models: ModelPlan
}
