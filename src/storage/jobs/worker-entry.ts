/** What runs in a storage worker: the same jobs as everywhere, on the real disk, at the pace that the main thread sets. */
import { parentPort, workerData } from 'node:worker_threads'
import { NodeDisk } from '../../env/node-disk.js'
import { standBack } from '../../env/thread-priority.js'
import { assert } from '../../util/assert.js'
import type { JobRequest, WorkerSetup } from './job-message.js'
import { replyTo } from './run-job.js'
import { ThreadPace } from './thread-pace.js'

const port = parentPort
assert(port !== null, 'this module is started as a worker')
const disk = new NodeDisk()
const { paceWords } = workerData as WorkerSetup

standBack()
const pace = new ThreadPace(paceWords, () => performance.now())

port.on('message', (request: JobRequest) => port.postMessage(replyTo(disk, request, pace)))
