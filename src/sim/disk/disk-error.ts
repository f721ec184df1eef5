/**
 * The errors of the simulated disk: those that Node would throw, with the same `code`s, and the one that ends a
 * simulated machine. Code under test must let `MachineOff` pass: nothing runs on a machine without power.
 */

export type DiskErrorCode =
  'EBADF' | 'EDQUOT' | 'EINVAL' | 'EIO' | 'EISDIR' | 'ENOENT' | 'ENOSPC' | 'ENOTDIR' | 'ENOTEMPTY' | 'EEXIST'

export function diskError(code: DiskErrorCode, call: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path })
}

/** Thrown by every call on a disk whose machine lost power. */
export class MachineOff extends Error {
  override readonly name = 'MachineOff'

  constructor() {
    super('the simulated machine is off')
  }
}
