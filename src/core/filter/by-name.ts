/**
 * The filter that finds what has exactly this name. A name with both kinds of quotes cannot be said in MLflow's filters:
 * undefined then, and all has to be looked through.
 */
export function byName(name: string): string | undefined {
  if (!name.includes("'")) return `name = '${name}'`
  return name.includes('"') ? undefined : `name = "${name}"`
}
