/**
 * Serves a registered model: `tsx examples/inference-service.ts models:/iris/Production` (or MODEL_URI), on PORT.
 *   curl localhost:8080/predict -d '[{"sepalLength":6.3,"sepalWidth":2.5,"petalLength":4.9,"petalWidth":1.5}]'
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidParameterError, loadModel, SignatureMismatchError } from 'cairn-ml'

const uri = process.argv[2] ?? process.env.MODEL_URI ?? 'models:/iris/Production'
const port = Number(process.env.PORT ?? 8080)
const maxBytes = 1_000_000

const model = await loadModel(uri)
const { name, version, flavor } = model.info

const server = createServer(async (request, response) => {
  const [status, body] = await answer(request)
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
})
server.listen(port, () => {
  const { port } = server.address() as AddressInfo
  console.log(`Serving ${name} version ${version} (${flavor}) on http://localhost:${port}`)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    console.log(`${signal}: finishing the requests in flight`)
    server.close(() => model.dispose())
    server.closeIdleConnections()
  })

async function answer(request: IncomingMessage): Promise<[status: number, body: unknown]> {
  const route = `${request.method} ${request.url}`
  if (route === 'GET /health/ready') return [200, { ready: true, model: name, version }]
  if (route !== 'POST /predict') return [404, { error: 'There are POST /predict and GET /health/ready' }]
  try {
    return [200, { version, predictions: await model.predict(JSON.parse(await text(request))) }]
  } catch (error) {
    if (
      error instanceof SyntaxError ||
      error instanceof InvalidParameterError ||
      error instanceof SignatureMismatchError
    )
      return [400, { error: error.message }]
    console.error(error)
    return [500, { error: 'The model failed' }]
  }
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > maxBytes) throw new InvalidParameterError(`The body is larger than ${maxBytes} bytes: send fewer rows`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
