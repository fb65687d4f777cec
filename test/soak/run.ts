/** What takes too long for every change. `npm run soak [-- part …]`, all parts by default; exits with 1 when one fails. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { killChildren } from './spool-kills.js'
import { type Load, manyKeys, manyRuns, million } from './spool-load.js'
import { hasStrace, killAtMoments } from './spool-moments.js'

/** Each part says in lines what it saw, and whether that is well. */
const parts: Record<string, () => Promise<{ readonly ok: boolean; readonly lines: readonly string[] }>> = {
  async kills() {
    const seen = await killChildren(Number(process.env.CAIRN_SOAK_KILLS ?? 1000))
    const { kills, logged, due, arrived, lost, twice, left, warnings } = seen
    return {
      ok: lost === 0 && twice === 0 && left === 0,
      lines: [
        `${kills} kills, ${logged} points logged, ${due} more than 10 ms before the kill, ${arrived} arrived`,
        `${lost} lost, ${twice} twice, ${left} runs left in the spool`,
        ...warnings.slice(0, 5),
      ],
    }
  },
  /** A run killed at every call by which something comes to be on disk or on the wire; needs strace. */
  async moments() {
    if (!hasStrace()) return { ok: true, lines: ['SKIPPED: there is no strace'] }
    const { calls, kills, noted, lost, twice, left } = await killAtMoments(Number.POSITIVE_INFINITY)
    return {
      ok: lost === 0 && twice === 0 && left === 0,
      lines: [
        `${kills} kills at ${calls} calls, ${noted} points noted: ${lost} lost, ${twice} twice, ${left} runs left`,
      ],
    }
  },
  /** A million points; a hundred thousand keys, and ten thousand runs open at once, and half as many before. */
  async many() {
    const all: [string, Load][] = [['a million points', await million()]]
    for (const count of [50_000, 100_000]) all.push([`${count} keys`, await manyKeys(count)])
    for (const count of [5_000, 10_000]) all.push([`${count} runs`, await manyRuns(count)])
    return {
      ok: all.every(
        ([, { logged, arrived, twice, left, code }]) => arrived === logged && twice + left + (code ?? 1) === 0,
      ),
      lines: all.map(([what, { logged, arrived, twice, left, open, grownMiB, seconds }]) => {
        const parts = Object.entries(seconds).map(([part, took]) => `${part} ${took.toFixed(1)} s`)
        return `${what}: ${logged} logged, ${arrived} arrived, ${twice} twice, ${left} left, ${open} files open, ${grownMiB.toFixed(0)} MiB more (${parts.join(', ')})`
      }),
    }
  },
  /** A local store's writers, killed at every write, with MLflow looking on; needs Python and strace. */
  async store() {
    const script = fileURLToPath(new URL('../interop/run.ts', import.meta.url))
    const args = ['--import', 'tsx', script, 'test/interop/store/kills', 'test/interop/store/together']
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env: { ...process.env, CAIRN_SOAK: '1' } })
    return {
      ok: status === 0,
      lines: [status === 0 ? 'Python and the next writer went on after every kill' : 'see above'],
    }
  },
}

const chosen = process.argv.slice(2).filter((arg) => arg in parts)
for (const name of chosen.length > 0 ? chosen : Object.keys(parts)) {
  const { ok, lines } = await parts[name]!()
  for (const line of lines) console.log(`${name}: ${line}`)
  if (!ok) process.exitCode = 1
}
