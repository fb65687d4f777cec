import { type Taken, type TakenBy, withOptionsChecked } from '../core/checked-verbs.js'
import { checkedInUse, isSignal, orNull, type Rules } from '../core/options.js'
import type { Run } from './handle.js'
import type { ArtifactOptions } from './verbs.js'

type Verb = Extract<keyof Run, `log${string}`>
/** The verbs whose calls take options. */
export type OptionVerbs = Pick<Run, Exclude<Verb, 'logMetric' | 'logMetrics' | 'logParam' | 'logParams'>>

const signal = orNull(isSignal)
const ARTIFACT: Rules<ArtifactOptions> = { signal, onProgress: checkedInUse }
const files: Taken<ArtifactOptions> = [2, ARTIFACT]

const OPTIONS: TakenBy<OptionVerbs> = {
  logArtifact: files,
  logArtifacts: files,
  logText: files,
  logJson: files,
  logDict: files,
  logFigure: files,
  logImage: files,
  logTable: files,
  logInput: [1, { context: checkedInUse, tags: checkedInUse, signal }],
  logOutputs: [1, { signal }],
  logCode: [0, { ...ARTIFACT, dir: checkedInUse, include: checkedInUse, artifactPath: checkedInUse }],
  logModel: [
    1,
    {
      ...ARTIFACT,
      name: checkedInUse,
      flavor: checkedInUse,
      signature: checkedInUse,
      inputExample: checkedInUse,
      registeredModelName: checkedInUse,
      metadata: checkedInUse,
      params: checkedInUse,
      tags: checkedInUse,
      step: checkedInUse,
      dependencies: checkedInUse,
      code: checkedInUse,
      stage: checkedInUse,
      alias: checkedInUse,
      lib: checkedInUse,
    },
    { artifactPath: 'name' },
  ],
}

/** The verbs themselves, which refuse options that they do not have. */
export const checkedVerbs = (verbs: OptionVerbs): OptionVerbs => withOptionsChecked(verbs, OPTIONS)
