/** Flush and compaction threads stand back for the event loop, and large allocations ask for huge pages. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { BACKGROUND_NICE } from '../../src/env/thread-priority.js'
import { KindredNode } from '../support/kindred-node.js'

/** Index of the nice value in /proc/PID/task/TID/stat, counted behind the name in parentheses (proc(5): field 19). */
const NICE_FIELD = 16

const skip = process.platform !== 'linux' && 'only Linux has priorities of threads'

t.test('storage threads have a lower priority than the event loop', { skip }, async (t) => {
  const node = await KindredNode.start(t)
  const ofThread = (thread: string): number => {
    const stat = readFileSync(`/proc/${node.pid}/task/${thread}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[NICE_FIELD])
  }
  const eventLoop = ofThread(String(node.pid))
  const lowered = readdirSync(`/proc/${node.pid}/task`).filter(
    (thread) => ofThread(thread) === eventLoop + BACKGROUND_NICE,
  )
  t.equal(lowered.length, 1, 'the thread that has made the first log')
})

t.test('the process is started with huge pages asked for', { skip }, async (t) => {
  const node = await KindredNode.start(t)
  const environment = readFileSync(`/proc/${node.pid}/environ`, 'utf8').split('\0')
  t.ok(environment.some((line) => line.startsWith('GLIBC_TUNABLES=')))
})
