import type { DoctorDeps, Found, Look } from '../doctor.js'
import type { Send } from '../http/send.js'
import type { Transport } from '../transport/transport.js'
import { canMake } from './disk.js'
import { safely } from './fixes.js'
import { trial, wayChecks } from './server.js'

/** What has to be well with a registry server that is not the server of the runs. */
export const registryChecks = (deps: DoctorDeps, send: () => Promise<Send>): Look[] =>
  wayChecks(deps, send, trial(send, aModel)).map(ofRegistry)

/** A user who may read models need not be allowed to read experiments. */
async function aModel(there: Transport): Promise<undefined> {
  await there.call('searchRegisteredModels', { max_results: 1 })
}

/** A look under a name of its own, which names the registry's variable. */
const ofRegistry = ({ name, look, after = [] }: Look): Look => ({
  name: `registry ${name}`,
  after: after.map((needed) => `registry ${needed}`),
  async look() {
    const { status, detail, fix } = await safely(look)
    return {
      status,
      detail: detail.replaceAll('the tracking URI', 'the registry URI'),
      ...(fix === undefined ? {} : { fix: fix.replaceAll('MLFLOW_TRACKING_URI', 'MLFLOW_REGISTRY_URI') }),
    }
  },
})

/** A registry in a folder apart from that of the runs. */
export async function localRegistry({ registryUri: root }: DoctorDeps): Promise<Found> {
  if (await canMake(root)) return { status: 'ok', detail: `${root} can be written` }
  return { status: 'fail', detail: `${root} cannot be written`, fix: 'set MLFLOW_REGISTRY_URI to a folder of yours' }
}
