/** Opens the handoff store in the directory that is named and reads all of it: in a process of its own, since that may end it. */
import { NodeDisk } from '../../src/env/node-disk.js'
import { HandoffBook } from '../../src/repair/handoff-book.js'
import { LmdbHandoffStore } from '../../src/repair/lmdb-handoff-store.js'
import { SimLog } from '../../src/sim/sim-log.js'

const log = new SimLog()
const store = LmdbHandoffStore.open(process.argv[2], new NodeDisk(), log)
new HandoffBook(store)
process.stdout.write(`${log.of('hints and fallback copies cannot be read and are lost').length}`)
await store.close()
