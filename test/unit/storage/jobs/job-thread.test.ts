import t from 'tap'
import type { Clock, Timer } from '../../../../src/env/clock.js'
import type { WorkerEvents, WorkerThread } from '../../../../src/env/node-worker.js'
import { JobThread } from '../../../../src/storage/jobs/job-thread.js'
import type { JobRequest, JobResult } from '../../../../src/storage/jobs/job-message.js'

/** A thread that does nothing by itself. */
class TestThread implements WorkerThread {
  readonly posted: unknown[] = []
  isBusy = false
  isTerminated = false
  readonly events: WorkerEvents

  constructor(events: WorkerEvents) {
    this.events = events
  }

  post(message: unknown): void {
    this.posted.push(message)
  }

  setBusy(isBusy: boolean): void {
    this.isBusy = isBusy
  }

  async terminate(): Promise<void> {
    this.isTerminated = true
    this.events.ended('terminated')
  }
}

/** A clock whose timers fire when the test says so. */
class TestClock implements Clock {
  readonly tasks: (() => void)[] = []
  wallMs(): number {
    return 0
  }
  monotonicMs(): number {
    return 0
  }
  after(_delayMs: number, task: () => void): Timer {
    this.tasks.push(task)
    return { cancel: () => void this.tasks.splice(this.tasks.indexOf(task), 1) }
  }
  endOfTurn(task: () => void): void {
    task()
  }
}

function setUp() {
  const threads: TestThread[] = []
  const clock = new TestClock()
  const jobs = new JobThread((_words, events) => {
    const thread = new TestThread(events)
    threads.push(thread)
    return thread
  }, clock)
  return { threads, clock, jobs }
}

const request = (path: string): JobRequest => ({
  kind: 'prepare',
  job: { path, sizeBytes: 1, oldPath: null },
})

/** Fails at once when the promise does not reject on its own. */
function outcome(promise: Promise<JobResult>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: { code: string }) => error.code,
  )
}

t.test('jobs go to one thread, one at a time, in order', async (t) => {
  const { threads, jobs } = setUp()
  t.equal(threads.length, 0, 'no job, no thread')
  const first = outcome(jobs.run(request('1')))
  const second = outcome(jobs.run(request('2')))
  t.equal(threads.length, 1)
  t.same(threads[0].posted, [request('1')])
  t.equal(threads[0].isBusy, true, 'a running job keeps the process alive')
  threads[0].events.message({ kind: 'done', result: null })
  t.same(threads[0].posted, [request('1'), request('2')])
  threads[0].events.message({ kind: 'failed', failure: { kind: 'job', code: 'ENOSPC', message: 'full' } })
  t.equal(threads[0].isBusy, false, 'an idle thread does not')
  t.same(await Promise.all([first, second]), ['done', 'ENOSPC'])
})

t.test('a thread that dies fails its job, and a new one takes the next', async (t) => {
  const { threads, jobs } = setUp()
  const first = jobs.run(request('1'))
  const second = outcome(jobs.run(request('2')))
  threads[0].events.ended('out of memory')
  await t.rejects(first, { name: 'JobError', code: 'worker-died', message: /out of memory/ })
  t.equal(threads.length, 2)
  t.same(threads[1].posted, [request('2')])
  threads[1].events.message({ kind: 'done', result: null })
  t.equal(await second, 'done')
  threads[1].events.ended('idle and dead')
  const third = outcome(jobs.run(request('3')))
  threads[2].events.message({ kind: 'done', result: null })
  t.equal(await third, 'done')
})

t.test('a thread that cannot be started fails the jobs, not the process', async (t) => {
  const jobs = new JobThread(() => {
    throw new Error('no threads left')
  }, new TestClock())
  await t.rejects(jobs.run(request('1')), { code: 'worker-died' })
  await t.rejects(jobs.run(request('2')), { code: 'worker-died' })
  await jobs.close()
})

t.test('close lets the running job notice, and cancels what waits', async (t) => {
  const { threads, clock, jobs } = setUp()
  const first = outcome(jobs.run(request('1')))
  const second = outcome(jobs.run(request('2')))
  const closed = jobs.close()
  t.equal(await second, 'cancelled')
  t.equal(Atomics.load(jobs.pace.words, 1), 1)
  threads[0].events.message({
    kind: 'failed',
    failure: { kind: 'job', code: 'cancelled', message: 'closing' },
  })
  await closed
  t.equal(await first, 'cancelled')
  t.same(threads[0].posted, [request('1')])
  t.equal(threads[0].isTerminated, true)
  t.same(clock.tasks, [], 'no timer is left')
})

t.test('close does not wait for ever for a job that does not notice', async (t) => {
  const { threads, clock, jobs } = setUp()
  const first = outcome(jobs.run(request('1')))
  const closed = jobs.close()
  clock.tasks[0]()
  await closed
  t.equal(threads[0].isTerminated, true)
  t.equal(await first, 'cancelled')
})

t.test('closing what never ran is closing nothing', async (t) => {
  const { threads, jobs } = setUp()
  await jobs.close()
  t.equal(threads.length, 0)
})
