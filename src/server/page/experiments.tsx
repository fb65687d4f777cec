import { useState } from 'preact/hooks'
import { api } from './api.js'
import { useLoaded } from './hooks.js'
import { Ago, Empty, Failure, Waiting } from './parts.js'
import { hrefOf } from './route.js'

/** All experiments, those that changed last first. */
export function Experiments() {
  const { data, error } = useLoaded((signal) => api.experiments(signal), ['experiments'])
  const [search, setSearch] = useState('')
  if (error) return <Failure error={error} />
  if (!data) return <Waiting />
  const all = data.experiments ?? []
  const found = all.filter(({ name }) => name.toLowerCase().includes(search.toLowerCase()))
  return (
    <section>
      <div class="head">
        <h1>Experiments</h1>
        <span class="count">{all.length}</span>
        <span class="gap" />
        <input
          type="search"
          aria-label="Search experiments"
          placeholder="Search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </div>
      {found.length === 0 ? (
        <Empty>No experiment of that name.</Empty>
      ) : (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Id</th>
              <th scope="col">Made</th>
              <th scope="col">Changed</th>
            </tr>
          </thead>
          <tbody>
            {found.map((experiment) => (
              <tr key={experiment.experiment_id}>
                <th scope="row">
                  <a href={hrefOf(['experiments', experiment.experiment_id])}>{experiment.name}</a>
                </th>
                <td class="dim mono">{experiment.experiment_id}</td>
                <td>
                  <Ago ms={experiment.creation_time} />
                </td>
                <td>
                  <Ago ms={experiment.last_update_time} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}
