import type { MlModel } from '../core/mlmodel.js'
import { InvalidParameterError, UnsupportedFlavorError } from '../errors.js'
import type { Flavor, FlavorConfig } from './flavor.js'

const namesOf = (flavors: readonly Flavor[]): string => flavors.map(({ name }) => name).join(', ') || 'none'

/** The flavor that writes a model: the one named, else the first that takes it for its own. */
export function flavorFor(flavors: readonly Flavor[], model: unknown, name?: string): Flavor {
  if (name !== undefined) {
    const found = flavors.find((flavor) => flavor.name === name)
    if (found) return found
    throw new InvalidParameterError(`There is no flavor ${JSON.stringify(name)}; known are ${namesOf(flavors)}`)
  }
  const found = flavors.find((flavor) => flavor.accepts(model))
  if (found) return found
  throw new InvalidParameterError(
    `No flavor takes this model (${model === null ? 'null' : typeof model}) for its own; say which: { flavor: '…' }, one of ${namesOf(flavors)}`,
  )
}

/** The flavor that brings a model to life: the first configured one that the model has. */
export function pickFlavor(
  flavors: readonly Flavor[],
  { flavors: present }: MlModel,
  what: string,
): { flavor: Flavor; config: FlavorConfig } {
  for (const flavor of flavors) {
    const config = Object.hasOwn(present, flavor.name) ? present[flavor.name] : undefined
    if (config) return { flavor, config }
  }
  throw new UnsupportedFlavorError(
    `${what} has the flavors ${Object.keys(present).join(', ')}; of these none can be loaded here, where there are ${namesOf(flavors)}`,
  )
}
