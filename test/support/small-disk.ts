/** A file system that is soon full: a small tmpfs with a file in it that takes half of it. Mounting needs root. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MB = 1024 * 1024
export const DISK_BYTES = 32 * MB
const FILLER_BYTES = 16 * MB

export class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), 'kindred-disk-'))
  readonly filler = join(this.path, 'filler')
  /** What mount said when it was not allowed; empty when it was. */
  readonly refusal: string

  constructor() {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', this.path])
    this.refusal =
      mounted.status === 0 ? '' : `${mounted.stderr?.toString() ?? ''}${mounted.error?.message ?? ''}`
    if (this.refusal === '') writeFileSync(this.filler, Buffer.alloc(FILLER_BYTES))
  }

  /** False where small disks can be mounted, else why not: for a test's `skip`. */
  static skip(): string | false {
    const probe = new SmallDisk()
    probe.remove()
    return probe.refusal === '' ? false : `a small file system cannot be mounted: ${probe.refusal.trim()}`
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  remove(): void {
    if (this.refusal === '') spawnSync('umount', ['-l', this.path])
    rmSync(this.path, { recursive: true })
  }
}
