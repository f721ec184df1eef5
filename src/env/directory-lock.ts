/**
 * One process per data directory. Node has no flock, and a lock file would outlive a killed process; an abstract Unix
 * socket named after the directory goes away with its process, whatever ends it. It guards against the common mistake,
 * two nodes started on one directory of one machine; processes in different network namespaces do not see each other's.
 * Where there are no abstract sockets (anything but Linux) nothing is locked.
 */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { createServer } from 'node:net'
import { NodeDisk } from './node-disk.js'

/** Releases the lock. */
export type Unlock = () => void

/** Locks the directory, which it makes when it is absent. Rejects when another process holds it. */
export function lockDirectory(directory: string): Promise<Unlock> {
  if (process.platform !== 'linux') return Promise.resolve(() => {})
  new NodeDisk().makeDirectory(directory)
  const name = createHash('sha256').update(realpathSync(directory)).digest('hex')
  const server = createServer((socket) => socket.destroy())
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      reject(taken ? new Error(`the data directory ${directory} is in use by another node`) : error)
    })
    server.listen(`\0kindred-${name}`, () => resolve(() => void server.close()))
  })
}
