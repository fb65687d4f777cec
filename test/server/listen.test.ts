import { expect, it } from 'vitest'
import { listen } from '../../src/server/listen.js'

it('a server is closed once those that it is answering have their answers, however patient it is', async () => {
  let answer = (_: Response): void => {}
  const answered = new Promise<Response>((resolve) => {
    answer = resolve
  })
  let asked = (): void => {}
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const server = await listen(() => {
    asked()
    return answered
  })
  const response = fetch(`http://127.0.0.1:${server.port}/`)
  await isAsked
  const closed = server.close(600_000)
  const long = 'x'.repeat(10_000_000)
  answer(new Response(long))
  expect((await response).headers.get('connection')).toBe('close')
  expect((await (await response).text()) === long).toBe(true)
  await closed
})
