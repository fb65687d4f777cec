import { createRequire } from 'node:module'
import { expect, it } from 'vitest'
import { MissingPeerError } from '../../src/errors.js'
import { peer, peerIfThere } from '../../src/models/peer.js'

const require = createRequire(import.meta.url)
const absent = async () => require('no-such-package-here')

it('an absent package is an error with the command that installs it', async () => {
  const asked = peer('no-such-package-here', 'npm install no-such-package-here', absent)
  await expect(asked).rejects.toThrow(MissingPeerError)
  await expect(asked).rejects.toThrow('install it with: npm install no-such-package-here')
  expect(await peerIfThere('no-such-package-here', absent)).toBeUndefined()
})

it('a package that is there but does not load says why', async () => {
  const broken = () => Promise.reject(new Error('no binding'))
  await expect(peerIfThere('some-package', broken)).rejects.toThrow(
    'some-package is installed but does not load: no binding',
  )
})
