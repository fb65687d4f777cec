import { expect, it } from 'vitest'
import { AlreadyExistsError, errorFromCode, reworded } from '../src/errors.js'

const cause = new Error('underneath')
const refused = errorFromCode('FEATURE_DISABLED', 'off', { status: 503, url: 'http://host', requestId: '7', cause })

it('the same failure in other words is as final as it was, and tells what was known', () => {
  const { code, retryable, status, url, requestId } = refused
  expect(retryable).toBe(false)
  expect(reworded(refused, 'it is off')).toMatchObject({
    ...{ message: 'it is off', name: 'UnavailableError', cause },
    ...{ code, retryable, status, url, requestId },
  })
  expect(reworded(refused, 'it is off', { status: undefined })).not.toHaveProperty('status', 503)
})

it('as another kind it has the code of that', () => {
  expect(reworded(refused, 'it is taken', { as: AlreadyExistsError })).toMatchObject({
    ...{ name: 'AlreadyExistsError', code: 'RESOURCE_ALREADY_EXISTS', retryable: false, status: 503, cause: refused },
  })
})
