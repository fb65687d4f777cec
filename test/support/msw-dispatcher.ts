import { getResponse, type RequestHandler } from 'msw'
import { Dispatcher } from 'undici'

/** How undici 7 hands a request of `request()` on: the older of its two ways, which has no types of its own any more. */
interface Receiver {
  onConnect(abort: (reason?: Error) => void): void
  onHeaders(status: number, headers: Buffer[], resume: () => void, statusText: string): boolean
  onData(chunk: Buffer): boolean
  onComplete(trailers: Buffer[]): void
  onError(error: Error): void
}

/** A dispatcher that answers from msw's handlers, which undici's requests do not pass by; what none of them takes fails. */
export class MswDispatcher extends Dispatcher {
  constructor(private readonly handlers: readonly RequestHandler[]) {
    super()
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: unknown): boolean {
    const receiver = handler as Receiver
    void this.answer(options).then(
      async (response) => {
        receiver.onConnect(() => {})
        const headers = [...response.headers].flat().map((text) => Buffer.from(text))
        receiver.onHeaders(response.status, headers, () => {}, response.statusText)
        receiver.onData(Buffer.from(await response.arrayBuffer()))
        receiver.onComplete([])
      },
      (error: Error) => receiver.onError(error),
    )
    return true
  }

  private async answer({ origin, path, method, headers, body }: Dispatcher.DispatchOptions): Promise<Response> {
    const request = new Request(new URL(path, origin), {
      method,
      headers: headers as Record<string, string>,
      ...(typeof body === 'string' || body instanceof Uint8Array ? { body: Buffer.from(body) } : {}),
    })
    const response = await getResponse([...this.handlers], request)
    if (response === undefined) throw new Error(`No handler takes ${method} ${path}`)
    return response
  }

  override async close(): Promise<void> {}
  override async destroy(): Promise<void> {}
}
