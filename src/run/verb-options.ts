import { type Taken, type TakenBy, withOptionsChecked } from '../core/checked-verbs.js'
import { checkedInUse, each, isSomeText, isText, type Rules } from '../core/options.js'
import { MODEL_OPTIONS } from '../models/option-rules.js'
import { onProgress, signal, tags } from '../transport/call-options.js'
import type { Run } from './handle.js'
import type { ArtifactOptions } from './verbs.js'

type Verb = Extract<keyof Run, `log${string}`>
/** The verbs whose calls take options. */
export type OptionVerbs = Pick<Run, Exclude<Verb, 'logMetric' | 'logMetrics' | 'logParam' | 'logParams'>>

const ARTIFACT: Rules<ArtifactOptions> = { signal, onProgress }
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
  logInput: [1, { context: isText, tags, signal }],
  logOutputs: [1, { signal }],
  logCode: [0, { ...ARTIFACT, dir: isSomeText, include: checkedInUse, artifactPath: checkedInUse }],
  logModel: [
    1,
    {
      ...MODEL_OPTIONS,
      ...ARTIFACT,
      name: checkedInUse,
      registeredModelName: checkedInUse,
      params: each('values', checkedInUse),
      tags,
      step: checkedInUse,
      stage: checkedInUse,
      alias: checkedInUse,
    },
    { artifactPath: 'name' },
  ],
}

/** The verbs themselves, which refuse options that they do not have. */
export const checkedVerbs = (verbs: OptionVerbs): OptionVerbs => withOptionsChecked(verbs, OPTIONS)
