/** A Map, or a WeakMap. */
interface Memory<K, V> {
  get(key: K): V | undefined
  set(key: K, value: V): unknown
  delete(key: K): unknown
}

/** What stands under a key, made when it is first asked for. A promise that fails is forgotten: the next call tries again. */
export function onceFor<K, V extends object>(memory: Memory<K, V>, key: K, make: () => V): V {
  const known = memory.get(key)
  if (known) return known
  const made = make()
  memory.set(key, made)
  const forget = () => memory.get(key) === made && memory.delete(key)
  if (made instanceof Promise) made.catch(forget)
  return made
}
