// One process that searches a store twice and says how long that took. Usage: searcher.mjs PACKAGE STORE
const [, , url, trackingUri] = process.argv
const { createClient } = await import(url)
const client = createClient({ trackingUri })
const before = process.resourceUsage().maxRSS

async function timed(act) {
  const from = performance.now()
  return [await act(), performance.now() - from]
}

const [, openMs] = await timed(() => client.getExperimentByName('bench'))
const query = { experimentNames: ['bench'], filter: 'metrics.m1 > 0.5', orderBy: ['metrics.m2 DESC'], maxResults: 100 }
const [found, firstMs] = await timed(() => client.searchRuns(query))
const [again, againMs] = await timed(() => client.searchRuns(query))
const runIds = found.map(({ info }) => info.runId)
if (String(runIds) !== String(again.map(({ info }) => info.runId))) throw new Error('asked again, it answers otherwise')
const moreMb = (process.resourceUsage().maxRSS - before) / 1024
console.log(JSON.stringify({ openMs, firstMs, againMs, runIds, beforeMb: before / 1024, moreMb }))
