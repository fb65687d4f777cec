import { createClient } from '../../src/client.js'

/** Names and texts that would run as a script if any of them were ever taken for markup. */
export const HOSTILE = [
  '<img src=x onerror="window.pwned=1">',
  '"><script>window.pwned=1</script>',
  "javascript:window.pwned=1//'",
  '</title><svg onload=window.pwned=1>',
] as const

/** A picture that is an attack when it is a page. */
export const HOSTILE_SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80" onload="window.pwned=1"><script>window.pwned=1; parent.pwned=1</script><rect width="120" height="80" fill="#0f766e"/><circle cx="60" cy="40" r="26" fill="#fff"/></svg>`

const noise = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

export interface Seeded {
  readonly experimentId: string
  readonly hostileId: string
  /** Newest first, as the table shows them. */
  readonly runIds: readonly string[]
  readonly richRunId: string
  readonly hostileRunId: string
}

/** A store as two weeks of work leave it: 24 runs with curves, files, datasets, a model of four versions, and a hostile run. */
export async function seed(trackingUri: string): Promise<Seeded> {
  await using client = createClient({ trackingUri })
  const { experimentId } = await client.setExperiment('churn')
  const runIds: string[] = []
  for (let i = 0; i < 24; i++) {
    const random = noise(i + 7)
    const lr = [0.1, 0.03, 0.01, 0.003][i % 4] as number
    const layers = 2 + (i % 3)
    const model = i % 2 === 0 ? 'cnn' : 'mlp'
    const run = await client.startRun({
      runName: `${model}-${layers}-${String(i).padStart(2, '0')}`,
      params: { lr, layers, model, dropout: (i % 5) / 10, batch_size: 32 * (1 + (i % 2)), optimizer: 'adam' },
      tags: { team: i % 3 === 0 ? 'growth' : 'core' },
    })
    const steps = 120
    const began = Date.now()
    for (let step = 0; step < steps; step++) {
      // As if each step took some seconds.
      const when = { step, timestamp: began + step * (2_000 + 500 * layers) }
      const speed = 6 + layers + 20 * lr
      const loss = 1.1 * Math.exp((-step / steps) * speed * 0.35) + 0.09 * random() + 0.12 - layers * 0.01
      run.logMetrics({ loss, val_loss: loss + 0.05 + 0.05 * random() + (step > 80 ? (step - 80) * 0.0012 : 0) }, when)
      run.logMetric('auc', 0.97 - loss * 0.4 + 0.01 * random(), when)
      if (step % 10 === 0) run.logMetric('lr_now', lr * 0.97 ** (step / 10), when)
    }
    await run.end(i === 3 ? 'FAILED' : i === 7 ? 'KILLED' : 'FINISHED')
    runIds.unshift(run.runId)
  }
  const rich = await client.startRun({
    runName: 'with-everything',
    description: 'The run with files of every kind.',
    params: {
      lr: 0.02,
      model: 'cnn',
      layers: 4,
      notes:
        'a parameter whose value is long enough to need more than one line in any table that shows it, and then some',
    },
    tags: { team: 'growth', reviewed: 'yes' },
  })
  for (let step = 0; step < 60; step++) rich.logMetric('loss', step === 30 ? Number.NaN : 1 / (1 + step), step)
  await rich.logText('line one\nline two\n', 'notes/readme.txt')
  await rich.logJson({ threshold: 0.5, classes: ['stay', 'leave'], nested: { deep: true } }, 'config.json')
  await rich.logTable(
    [
      { customer: 'a', score: 0.91 },
      { customer: 'b', score: 0.12 },
    ],
    'tables/scores.json',
  )
  await rich.logText('name,score\n"Doe, Jane",0.9\nMax,0.4\n', 'tables/scores.csv')
  await rich.logFigure(HOSTILE_SVG, 'figures/shape.svg')
  await rich.logInput(
    { name: 'customers', digest: 'ab12cd34', sourceType: 'local', source: '{"uri":"customers.csv"}' },
    { context: 'training' },
  )
  await rich.logText('flavors: {}\n', 'model/MLmodel')
  await rich.end()
  runIds.unshift(rich.runId)

  for (const version of ['1', '2', '3', '4']) {
    await client.registerModel(`runs:/${rich.runId}/model`, 'churn-net')
    if (version === '4') continue
    await client.transitionStage('churn-net', version, 'Production', {
      archiveExisting: version !== '1',
      by: 'ada',
      comment: `auc 0.8${version}`,
    })
  }
  await client.transitionStage('churn-net', '4', 'Staging', { by: 'ben' })
  await client.setRegisteredModelAlias('churn-net', 'champion', '3')

  const { experimentId: hostileId } = await client.setExperiment(HOSTILE[0].replaceAll('/', '|'))
  const hostile = await client.startRun({
    runName: HOSTILE[1],
    params: { 'a param': HOSTILE[0], other: HOSTILE[3] },
    tags: { 'a tag': HOSTILE[1], link: HOSTILE[2], 'mlflow.source.name': HOSTILE[0] },
    description: HOSTILE[3],
  })
  hostile.logMetric('loss', 0.5, 1)
  hostile.logMetric('loss', 0.4, 2)
  await hostile.logText(`<!doctype html><script>window.pwned=1</script>${HOSTILE[0]}`, 'page.html')
  await hostile.logText(`# hi\n${HOSTILE[0]}\n[x](javascript:window.pwned=1)`, 'readme.md')
  await hostile.logFigure(HOSTILE_SVG, 'attack.svg')
  await hostile.logTable([{ [HOSTILE[0]]: HOSTILE[1] }], 'table.json')
  await hostile.end()
  return { experimentId, hostileId, runIds, richRunId: rich.runId, hostileRunId: hostile.runId }
}
