/**
 * The disk as the storage engine sees it: files by path, positions by offset, and the two operations that make
 * anything durable. Everything that touches a file goes through here, so that a simulated disk can lose what was
 * not synced, tear writes, flip bits and refuse the i-th operation.
 *
 * Synchronous calls are for start-up, worker threads and writes that the page cache takes at once; the calls with a
 * `done` callback are for the event loop. Callbacks rather than promises: the log calls them thousands of times a second.
 *
 * Errors are `NodeJS.ErrnoException`s with `code` ENOENT, ENOSPC, EIO, …; synchronous calls throw them.
 */
export interface Disk {
  /** Opens a file. `create` makes it when absent (and never truncates); the new name is durable only after syncDirectory. */
  open(path: string, mode: 'read' | 'write' | 'create'): number
  close(file: number): void
  /** Bytes read; fewer than `length` only at the end of the file. */
  readSync(file: number, into: Uint8Array, offset: number, length: number, position: number): number
  /** Writes all `length` bytes or throws; what of them reached the file before an error is unknown. */
  writeSync(file: number, from: Uint8Array, offset: number, length: number, position: number): void
  /** fdatasync: the file's bytes and size are durable afterwards. */
  syncSync(file: number): void
  read(file: number, into: Uint8Array, offset: number, length: number, position: number, done: DiskDone): void
  write(
    file: number,
    from: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void
  sync(file: number, done: DiskDone): void
  sizeBytes(file: number): number
  truncate(file: number, sizeBytes: number): void
  rename(from: string, to: string): void
  /**
   * Gives the file `from` a second name, `to`; durable once the directory of `to` is synced. EEXIST where there is something of that
   * name; EXDEV, EPERM, ENOTSUP or EMLINK where the file system gives no second name to this file.
   */
  link(from: string, to: string): void
  unlink(path: string): void
  /**
   * Removes a file that nothing names any more, off the event loop: freeing a large file takes milliseconds. One that
   * cannot be removed stays; the next start removes it.
   */
  discard(path: string): void
  exists(path: string): boolean
  /** Names (not paths) in a folder, in no particular order. */
  list(directory: string): string[]
  /** Makes the folder and its missing parents, each durable once its parent is synced. */
  makeDirectory(directory: string): void
  /** Removes an empty folder; ENOTEMPTY for another. Durable once its parent is synced. */
  removeDirectory(directory: string): void
  /** Makes creations, renames and removals of names in this folder durable. */
  syncDirectory(directory: string): void
  /** Bytes that an ordinary user may still write to the file system that holds `directory`. */
  freeBytes(directory: string): number
}

/** `bytes` is what was read or written (0 for sync); it is meaningless when there is an error. */
export type DiskDone = (error: NodeJS.ErrnoException | null, bytes: number) => void
