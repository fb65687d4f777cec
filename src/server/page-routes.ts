import { Hono } from 'hono'
import { z } from 'zod'
import { CairnError, InvalidParameterError, NotFoundError } from '../errors.js'
import type { Registry } from '../registry/registry.js'
import { parseJson } from '../transport/json.js'
import type { Transport } from '../transport/transport.js'
import type { Asked, Env } from './asked.js'
import { type BodyLimits, textOf } from './body.js'
import { type CurveAnswer, type CurveAsked, type CurvesOptions, curves } from './curves.js'
import { json } from './reply.js'
import { isJson, notJson } from './table.js'

export interface PageRoutesOptions extends CurvesOptions {
  readonly transport: Transport
  readonly registry: Registry
  /** What the page calls the place it shows. */
  readonly title: string
  readonly limits: BodyLimits
}

const name = z.string().min(1)
const target = z.union([z.string(), z.object({ alias: name })])
const why = { comment: z.string().max(4000).optional(), by: z.string().optional() }
const within = z.object({ by: z.enum(['step', 'time']), from: z.number(), to: z.number() })
const inputs = {
  curves: z.object({
    curves: z
      .array(z.object({ run_id: name, key: name, since: z.int().min(0).optional(), within: within.optional() }))
      .min(1)
      .max(500),
    points: z.int().min(16).max(20_000).default(1_500),
  }),
  runs: z.object({ run_ids: z.array(name).min(1).max(200) }),
  transition: z.object({ name, version: name, stage: target, archiveExisting: z.boolean().optional(), ...why }),
  rollback: z.object({ name, stage: target, ...why }),
  history: z.object({ name }),
}

function broken({ run_id, key }: CurveAsked, error: unknown): CurveAnswer & { readonly error: string } {
  if (!(error instanceof CairnError)) throw error
  return { run_id, key, total: 0, from: 0, step: [], time: [], value: [], error: error.message }
}

async function read<T extends z.ZodType>(asked: Asked, input: T, limits: BodyLimits): Promise<z.output<T>> {
  let body: unknown
  try {
    body = parseJson(await textOf(asked, limits))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new InvalidParameterError('The body of the request is not JSON', { cause })
  }
  const found = input.safeParse(body)
  if (found.success) return found.data
  const [issue] = found.error.issues
  throw new InvalidParameterError(`${issue?.path.join('.') || 'The body'}: ${issue?.message}`)
}

/** What the page asks beside MLflow's API: curves to draw, many runs at once, and moves of versions with their history. */
export function pageRoutes({ transport, registry, title, limits, ...options }: PageRoutesOptions): Hono<Env> {
  const app = new Hono<Env>()
  const curveOf = curves({ transport, ...options })
  const post = <T extends z.ZodType>(path: string, input: T, act: (given: z.output<T>) => Promise<unknown>) =>
    app.post(path, async (asked) => (isJson(asked) ? json(await act(await read(asked, input, limits))) : notJson()))

  app.get('/cairn/about', () => json({ title }))
  post('/cairn/curves', inputs.curves, async ({ curves: wanted, points }) => ({
    // One curve that cannot be read leaves the others to be drawn.
    curves: await Promise.all(wanted.map((one) => curveOf(one, points).catch((error) => broken(one, error)))),
  }))
  post('/cairn/runs', inputs.runs, async ({ run_ids }) => {
    const found = await Promise.all(
      run_ids.map((run_id) =>
        transport.call('getRun', { run_id }).catch((error: unknown) => {
          if (error instanceof NotFoundError || (run_ids.length > 1 && error instanceof CairnError)) return undefined
          throw error
        }),
      ),
    )
    return { runs: found.flatMap((one) => (one ? [one.run] : [])) }
  })
  post('/cairn/transition', inputs.transition, ({ name: model, version, stage, ...rest }) =>
    registry.transitionStage(model, version, stage as Parameters<Registry['transitionStage']>[2], rest),
  )
  post('/cairn/rollback', inputs.rollback, ({ name: model, stage, ...rest }) =>
    registry.rollback(model, stage as Parameters<Registry['rollback']>[1], rest),
  )
  post('/cairn/history', inputs.history, async ({ name: model }) => ({ events: await registry.getStageHistory(model) }))
  return app
}
