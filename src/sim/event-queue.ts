/**
 * Virtual time: a heap of events that run one after another, each at its instant, under a seed. Time stands still while
 * an event runs and jumps to the next one afterwards, so that hours pass in milliseconds and nothing ever sleeps.
 *
 * What of Node's event loop is kept, because our code leans on it: work is done in turns. A turn hands out all events
 * that are due within a short window of random width (a real poll phase returns several ready sockets), then runs what
 * `endOfTurn` collected; a task that is collected meanwhile belongs to the next turn, which then does not wait for the
 * next event. What is not kept: events of the same instant run in seeded order, since nobody may rely on another.
 *
 * Code under test that uses promises needs the asynchronous calls (`step`, `advance`, `until`): after each event they wait
 * for one real turn of Node's loop, so that every microtask has run before the next event. The synchronous twins are
 * faster by a factor of fifty and enough for code made of callbacks.
 *
 * Invariant: for one seed and one program the sequence of events is the same, run after run.
 */
import { NodeClock } from '../env/node-clock.js'
import type { Timer } from '../env/clock.js'
import { assert } from '../util/assert.js'
import type { SimRandom } from './sim-random.js'

/** Bounds what a program that schedules without end can hold before the simulation is called broken. */
const EVENTS_MAX = 1_000_000
const TURN_WINDOW_MS_MAX = 0.2

const realLoop = new NodeClock()

export class EventQueue {
  readonly #random: SimRandom
  readonly #heap: SimEvent[] = []
  #sequence = 0
  #waiting = 0
  #nowMs = 0
  #turnOpen = false
  #turnEndMs = 0
  #collected: (() => void)[] = []
  #ending: (() => void)[] = []

  constructor(random: SimRandom) {
    this.#random = random.fork('event-queue')
  }

  /** Virtual milliseconds since the queue was made, with a fraction. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Events and end-of-turn tasks that have not run yet. */
  get waiting(): number {
    return this.#waiting + this.#collected.length + this.#ending.length
  }

  schedule(delayMs: number, task: () => void): Timer {
    assert(delayMs >= 0, 'time goes forward')
    assert(this.#heap.length < EVENTS_MAX, 'the simulation holds a bounded number of events')
    const event = new SimEvent(this.#nowMs + delayMs, this.#random.next32(), this.#sequence++, task)
    pushEvent(this.#heap, event)
    this.#waiting++
    return { cancel: () => this.#cancel(event) }
  }

  endOfTurn(task: () => void): void {
    this.#collected.push(task)
  }

  /** Runs one event or end-of-turn task; false when none is left. */
  stepSync(): boolean {
    const task = this.#next(Infinity)
    task?.()
    return task !== undefined
  }

  /** Runs everything due within the next `durationMs`, and leaves the time there. */
  advanceSync(durationMs: number): void {
    const endMs = this.#nowMs + durationMs
    for (let task = this.#next(endMs); task !== undefined; task = this.#next(endMs)) task()
    this.#nowMs = endMs
  }

  /** As stepSync, and waits until every microtask has run. */
  async step(): Promise<boolean> {
    const ran = this.stepSync()
    await microtasks()
    return ran
  }

  /** As advanceSync, with all microtasks run after each event. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs
    await microtasks()
    for (let task = this.#next(endMs); task !== undefined; task = this.#next(endMs)) {
      task()
      await microtasks()
    }
    this.#nowMs = endMs
  }

  /** Runs until `condition` holds; false when nothing was left to run or `limitMs` of virtual time had passed before. */
  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#nowMs + limitMs
    await microtasks()
    while (!condition()) {
      const task = this.#next(endMs)
      if (task === undefined) return false
      task()
      await microtasks()
    }
    return true
  }

  #next(limitMs: number): (() => void) | undefined {
    for (;;) {
      const ending = this.#ending.shift()
      if (ending !== undefined) return ending
      if (!this.#turnOpen && !this.#openTurn(limitMs)) return undefined
      const due = this.#takeDue(Math.min(this.#turnEndMs, limitMs))
      if (due !== undefined) return due
      this.#endTurn()
    }
  }

  #takeDue(untilMs: number): (() => void) | undefined {
    const first = this.#first()
    if (first === undefined || first.atMs > untilMs) return undefined
    popEvent(this.#heap)
    this.#waiting--
    this.#nowMs = Math.max(this.#nowMs, first.atMs)
    const task = first.task
    first.task = undefined
    return task
  }

  #endTurn(): void {
    this.#turnOpen = false
    this.#ending = this.#collected
    this.#collected = []
  }

  #openTurn(limitMs: number): boolean {
    const first = this.#first()
    if (this.#collected.length > 0) {
      this.#turnEndMs = this.#nowMs
    } else if (first !== undefined && first.atMs <= limitMs) {
      const windowMs = this.#random.chance(0.5) ? 0 : this.#random.fraction() * TURN_WINDOW_MS_MAX
      this.#turnEndMs = Math.max(first.atMs, this.#nowMs) + windowMs
    } else {
      return false
    }
    this.#turnOpen = true
    return true
  }

  /** The earliest event that was not cancelled. */
  #first(): SimEvent | undefined {
    while (this.#heap.length > 0 && this.#heap[0].task === undefined) popEvent(this.#heap)
    return this.#heap[0]
  }

  #cancel(event: SimEvent): void {
    if (event.task === undefined) return
    event.task = undefined
    this.#waiting--
  }
}

class SimEvent {
  readonly atMs: number
  readonly #tie: number
  readonly #sequence: number
  /** Undefined once it ran or was cancelled. */
  task: (() => void) | undefined

  constructor(atMs: number, tie: number, sequence: number, task: () => void) {
    this.atMs = atMs
    this.#tie = tie
    this.#sequence = sequence
    this.task = task
  }

  isBefore(other: SimEvent): boolean {
    if (this.atMs !== other.atMs) return this.atMs < other.atMs
    if (this.#tie !== other.#tie) return this.#tie < other.#tie
    return this.#sequence < other.#sequence
  }
}

/** One real turn of Node's loop: every microtask that is due has run then. */
export function microtasks(): Promise<void> {
  return new Promise((resolve) => realLoop.endOfTurn(resolve))
}

function pushEvent(heap: SimEvent[], event: SimEvent): void {
  let at = heap.push(event) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!event.isBefore(heap[parent])) break
    heap[at] = heap[parent]
    at = parent
  }
  heap[at] = event
}

function popEvent(heap: SimEvent[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1].isBefore(heap[child])) child++
    if (!heap[child].isBefore(last)) break
    heap[at] = heap[child]
    at = child
  }
  heap[at] = last
}
