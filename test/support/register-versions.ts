import { fileTransport } from '../../src/transport/file/file.js'

/** Registers versions of one model of a logged model, as one of several processes: ROOT NAME MODEL_ID COUNT WHO. */
const [root = '', name = '', model_id = '', count = '0', who = ''] = process.argv.slice(2)
const { call } = fileTransport({ root })
for (let i = 0; i < Number(count); i++) {
  const { model_version: made } = await call('createModelVersion', { name, source: `models:/${model_id}`, model_id })
  await call('setModelVersionTag', { name, version: made.version, key: 'who', value: who })
  await call('setRegisteredModelTag', { name, key: `${who}/${i}`, value: made.version })
  await call('setRegisteredModelAlias', { name, alias: who, version: made.version })
}
