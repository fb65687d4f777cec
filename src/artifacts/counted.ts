/** The Blob, telling the bytes of each part of it that is read; reading it anew takes back what was told before. */
export function counted(blob: Blob, onBytes: (bytes: number) => void): Blob {
  let came = 0
  const stream = (): ReadableStream<Uint8Array> => {
    const reader = Blob.prototype.stream.call(blob).getReader()
    if (came > 0) onBytes(-came)
    came = 0
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await reader.read()
        if (done) return controller.close()
        came += value.byteLength
        onBytes(value.byteLength)
        controller.enqueue(value)
        // The end comes with the last part, so that nobody is answered between the two.
        if (came === blob.size) controller.close()
      },
      cancel: (reason) => reader.cancel(reason),
    })
  }
  return Object.defineProperty(blob, 'stream', { value: stream })
}
