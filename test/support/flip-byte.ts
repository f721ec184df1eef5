/** Changes one byte of a file, as a disk that rots does. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { NodeDisk } from '../../src/env/node-disk.js'
import { openTableFile } from '../../src/storage/table/table-file.js'

export function flipByte(path: string, offset: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  byte[0] ^= 0x10
  writeSync(file, byte, 0, 1, offset)
  closeSync(file)
}

/** Where a block of the table begins. */
export function blockOffset(path: string, block: number): number {
  const disk = new NodeDisk()
  const { file, index } = openTableFile(disk, path)
  disk.close(file)
  return index.offset(block)
}
