import { spawnSync } from 'node:child_process'
import { tempDir } from './temp-dir.js'

/** Mounts a disk of 600 kB on a folder. */
export const mount = (dir: string, options = 'size=600k'): boolean =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]).status === 0
export const unmount = (dir: string): void => void spawnSync('umount', [dir])

/** Whether that may be done here. */
export function mayMount(): boolean {
  const dir = tempDir()
  const isMounted = mount(dir)
  if (isMounted) unmount(dir)
  return isMounted
}
