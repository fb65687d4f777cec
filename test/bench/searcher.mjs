// One process that searches a store twice and says how long that took. Usage: searcher.mjs PACKAGE STORE
const [, , url, trackingUri] = process.argv
const { createClient } = await import(url)
const client = createClient({ trackingUri })
const peak = () => process.resourceUsage().maxRSS / 1024

async function timed(act) {
  const from = performance.now()
  return [await act(), performance.now() - from]
}

await client.getExperimentByName('bench')
const beforeMb = peak()
const query = { experimentNames: ['bench'], filter: 'metrics.m1 > 0.5', orderBy: ['metrics.m2 DESC'], maxResults: 100 }
const [found, firstMs] = await timed(() => client.searchRuns(query))
const [again, againMs] = await timed(() => client.searchRuns(query))
const runIds = found.map(({ info }) => info.runId)
if (String(runIds) !== String(again.map(({ info }) => info.runId))) throw new Error('asked again, it answers otherwise')
const moreMb = peak() - beforeMb

// As a page of runs is opened by someone who has seen nothing yet.
const fresh = createClient({ trackingUri })
const [opened, openMs] = await timed(() => fresh.searchRuns({ experimentNames: ['bench'], maxResults: 100 }))
if (opened.length === 0) throw new Error('the experiment opens without runs')
let walked = 0
const [, walkMs] = await timed(async () => {
  for await (const _ of fresh.iterateRuns({ experimentNames: ['bench'], maxResults: 1000 })) walked++
})
if (walked < opened.length) throw new Error(`only ${walked} runs were walked through`)
console.log(JSON.stringify({ openMs, walkMs, firstMs, againMs, runIds, beforeMb, moreMb, walkMb: peak() - beforeMb }))
