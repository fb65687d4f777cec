import { execFile } from 'node:child_process'
import { platform } from 'node:os'

const OPENERS: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/** Opens an `http:` address in the user's browser; where there is none, nothing happens. */
export function openInBrowser(url: string): Promise<void> {
  const [command, ...args] = OPENERS[platform()] ?? (['xdg-open'] as const)
  return new Promise((resolve) => {
    const child = execFile(command, [...args, new URL(url).href], () => undefined)
    child.once('error', () => resolve())
    child.once('spawn', () => {
      child.unref()
      resolve()
    })
  })
}
