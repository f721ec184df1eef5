import t from 'tap'
import { startWorker, YOUNG_GENERATION_MB, type WorkerEvents } from '../../../src/env/node-worker.js'

const IMPORTS = "import { parentPort, workerData } from 'node:worker_threads';"

function moduleOf(code: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(IMPORTS + code)}`)
}

/** The events of one thread, as promises. */
function listen(): { events: WorkerEvents; message: Promise<unknown>; ended: Promise<string> } {
  const events: WorkerEvents = { message() {}, ended() {} }
  const message = new Promise<unknown>((resolve) => (events.message = resolve))
  const ended = new Promise<string>((resolve) => (events.ended = resolve))
  return { events, message, ended }
}

t.test('a thread gets its data, hears and answers, and ends when it is told to', async (t) => {
  const { events, message, ended } = listen()
  const echo = moduleOf('parentPort.on("message", (m) => parentPort.postMessage([workerData, m]))')
  const thread = startWorker(echo, { words: new Int32Array([7]) }, events)
  thread.setBusy(true)
  thread.post('hello')
  t.same(await message, [{ words: new Int32Array([7]) }, 'hello'])
  thread.setBusy(false)
  await thread.terminate()
  t.match(await ended, /ended with code/)
})

t.test('a thread has a small young generation', async (t) => {
  const { events, message } = listen()
  const code = 'import { resourceLimits } from "node:worker_threads";'
  const limits = moduleOf(`${code} parentPort.postMessage(resourceLimits.maxYoungGenerationSizeMb)`)
  startWorker(limits, null, events).setBusy(true)
  t.equal(await message, YOUNG_GENERATION_MB)
})

t.test('shared memory is shared', async (t) => {
  const { events, message } = listen()
  const words = new Int32Array(new SharedArrayBuffer(4))
  const thread = startWorker(moduleOf('workerData[0] = 5; parentPort.postMessage("written")'), words, events)
  thread.setBusy(true)
  await message
  t.equal(words[0], 5)
  await thread.terminate()
})

t.test('a thread that exits or throws says why it ended', async (t) => {
  const exits = listen()
  startWorker(moduleOf('process.exit(3)'), null, exits.events).setBusy(true)
  t.match(await exits.ended, /code 3/)
  const throws = listen()
  startWorker(moduleOf('throw new Error("out of luck")'), null, throws.events).setBusy(true)
  t.match(await throws.ended, /out of luck/)
})
