import { checkOptions, type Rules, toldOf } from './options.js'

type LastOf<F> = F extends (...given: infer A) => unknown
  ? Required<A> extends readonly [...unknown[], infer L]
    ? NonNullable<L>
    : never
  : never

/** The options of a verb: their place among its arguments, from 0, a rule for each, and Python's names for them. */
export type Taken<T> = readonly [place: number, rules: Rules<T>, elsewhere?: Readonly<Record<string, keyof T & string>>]

/** The options of each of some verbs, which take them last. */
export type TakenBy<V> = { readonly [K in keyof V]: Taken<LastOf<V[K]>> }

/**
 * The verbs themselves; those in the table reject with `InvalidParameterError`, before they do anything, for options that
 * they do not have. Those of `fitting` pass over what is no misspelling: a whole entity fits their options.
 */
export function withOptionsChecked<V extends object, K extends keyof V>(
  verbs: V,
  table: TakenBy<Pick<V, K>>,
  fitting: readonly K[] = [],
): V {
  const checked = Object.entries<Taken<Record<string, unknown>>>(table as never).map(([name, taken]) => {
    const [place, rules, elsewhere] = taken
    const verb = verbs[name as keyof V] as (...given: unknown[]) => unknown
    const told = toldOf(rules).join(', ')
    const takes = `${name} takes options, like { ${told} }`
    const isLoose = fitting.includes(name as never)
    // `ids.map(client.getRun)` hands the index over.
    const mayBeIndex = place === 1 && told === 'signal'
    const asked = async (...given: unknown[]): Promise<unknown> => {
      if (mayBeIndex && typeof given[place] === 'number') given[place] = undefined
      if (given[place] !== undefined) checkOptions(takes, given[place], rules, { elsewhere, isLoose })
      return verb(...given)
    }
    return [name, asked]
  })
  return { ...verbs, ...Object.fromEntries(checked) }
}
