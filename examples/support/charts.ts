import { Resvg } from '@resvg/resvg-js'
import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

/** How often each species was taken for which one, as an SVG heat map with counts. */
export function confusionMatrix(actual: readonly string[], predicted: readonly string[], classes: readonly string[]) {
  const cells = classes.flatMap((truth) =>
    classes.map((guess) => ({
      truth,
      guess,
      count: actual.filter((name, index) => name === truth && predicted[index] === guess).length,
    })),
  )
  const axes = {
    x: { field: 'guess', type: 'nominal', title: 'predicted', axis: { labelAngle: 0 } },
    y: { field: 'truth', type: 'nominal', title: 'actual' },
  } as const
  return toSvg({
    title: 'Confusion matrix, held-out rows',
    width: 300,
    height: 300,
    data: { values: cells },
    layer: [
      {
        mark: 'rect',
        encoding: {
          ...axes,
          color: { field: 'count', type: 'quantitative', scale: { scheme: 'blues' }, legend: null },
        },
      },
      {
        mark: { type: 'text', fontSize: 18 },
        encoding: {
          ...axes,
          text: { field: 'count', type: 'quantitative' },
          color: { condition: { test: 'datum.count > 10', value: 'white' }, value: 'black' },
        },
      },
    ],
  })
}

/** A value per epoch as an SVG line. */
export const lossCurve = (losses: readonly number[]) =>
  toSvg({
    title: 'Training loss',
    width: 420,
    height: 240,
    data: { values: losses.map((loss, epoch) => ({ epoch, loss })) },
    mark: 'line',
    encoding: {
      x: { field: 'epoch', type: 'quantitative' },
      y: { field: 'loss', type: 'quantitative', title: 'cross-entropy' },
    },
  })

/** An SVG drawn as PNG bytes, twice its size. */
export const toPng = (svg: string): Uint8Array =>
  new Resvg(svg, { fitTo: { mode: 'zoom', value: 2 }, font: { sansSerifFamily: 'DejaVu Sans' } }).render().asPng()

/** Vega draws without a canvas when it is asked for SVG. */
const toSvg = (spec: TopLevelSpec): Promise<string> =>
  new View(parse(compile({ background: 'white', ...spec }).spec), { renderer: 'none' }).toSVG()
