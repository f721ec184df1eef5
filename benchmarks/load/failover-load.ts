/**
 * Applications that go on while a node goes away and comes back: clients of ioredis, paced and open-loop, half of them SETs of
 * keys that are written once, half GETs of keys that were acknowledged. It remembers every acknowledgement, and in the
 * end asks for each of these keys.
 *
 * Requests go out whether or not earlier ones were answered, up to a bound on what may be under way: beyond it they count as
 * failed, as an application that is full answers its own clients.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SlotRange } from '../../src/ring/slot-range.js'
import { LatencyHistogram } from '../measure/statistics.js'
import type { Address } from '../servers/resp-client.js'
import { openClients } from './failover-clients.js'
import type { LoadNews } from './failover-child.js'
import type { ApplicationClient, ApplicationKind } from './failover-clients.js'
import { FailoverTally } from './failover-tally.js'
import type { GroupFigures, Phase } from './failover-tally.js'
import { untilHeld } from './held-keys.js'
import { seededRandom } from './requests.js'
import { ALL_SLOTS, SlotSet, WrittenKeys } from './written-keys.js'

export interface FailoverLoadOptions {
  readonly kind: ApplicationKind
  /** Plain client i is connected to address i modulo their number; cluster clients are given all. */
  readonly addresses: readonly Address[]
  /** The place among the addresses of the node that will go away. */
  readonly victim: number
  /** Slots that have their home there. */
  readonly victimSlots: readonly SlotRange[]
  readonly clients: number
  readonly requestsPerSecond: number
  /** So many are due at the same moment, on the same client. */
  readonly groupSize: number
  readonly warmUpSeconds: number
  /** It ends by itself then, whatever it is told. */
  readonly secondsMax: number
  readonly valueBytes: number
}

/** What the load is told while it runs. */
export type FailoverOrder =
  | { readonly kind: 'fault begins' }
  | { readonly kind: 'node returns'; readonly ask: HeldQuestion }
  | { readonly kind: 'end' }

/** Whether the returned node has what was acknowledged in its absence. */
export interface HeldQuestion {
  readonly address: Address
  readonly prologue: readonly string[]
  /** It is to have all keys, or only those whose home it was. */
  readonly allKeys: boolean
  readonly limitMs: number
}

export interface FailoverResult {
  /** Clients that were not connected to the node that went away, or to all. */
  readonly others: GroupFigures
  /** Null when there were none. */
  readonly ofVictim: GroupFigures | null
  readonly errors: Readonly<Record<string, number>>
  readonly acknowledged: number
  /** Acknowledged writes that are not there in the end, or with another value. */
  readonly lost: number
  /** Reads during the load that did not find what had been acknowledged before. */
  readonly missedReads: number
  /** From its return until the node had what it missed; Infinity when not in time. */
  readonly caughtUpMs: number
  /** How late the load itself sent what was due: 99th percentile. */
  readonly lateP99Ms: number
}

const SEED = 17
const TICK_MS = 1
/** Of the rate, at the very start. */
const RATE_MIN_SHARE = 0.05
const UNDER_WAY_MAX = 100_000
const DRAIN_LIMIT_MS = 30_000
const TEXTS_MAX = 20
/** Slots and addresses. */
const VARYING = /\b\d[\d.:]*/g
const SAMPLE_MAX = 20_000
const READ_BACK_AT_ONCE = 500
const READ_BACK_TRIES = 50
const READ_BACK_AGAIN_MS = 200
const TOO_MUCH_UNDER_WAY = 'too much under way'

export class FailoverLoad {
  readonly #options: FailoverLoadOptions
  readonly #clients: readonly ApplicationClient[]
  readonly #keys: WrittenKeys
  readonly #victimSlots: SlotSet
  readonly #others: FailoverTally
  readonly #ofVictim: FailoverTally
  readonly #random = seededRandom(SEED)
  readonly #late = new LatencyHistogram()
  readonly #errors = new Map<string, number>()
  #phase: Phase | 'warm-up' = 'warm-up'
  #underWay = 0
  #missedReads = 0
  #isOver = false
  #faultAtMs = 0
  #caughtUp: Promise<number> = Promise.resolve(Infinity)
  #tell: (news: LoadNews) => void = () => {}

  private constructor(options: FailoverLoadOptions, clients: readonly ApplicationClient[]) {
    this.#options = options
    this.#clients = clients
    const { requestsPerSecond, groupSize, warmUpSeconds, secondsMax, victimSlots } = options
    this.#keys = new WrittenKeys(
      Math.ceil(requestsPerSecond * (warmUpSeconds + secondsMax)) + groupSize,
      options.valueBytes,
    )
    this.#victimSlots = new SlotSet(victimSlots)
    const nowMs = performance.now()
    const numbers = clients.map((_, client) => client)
    const isOfVictim = (client: number): boolean => this.#isOfVictim(client)
    this.#ofVictim = new FailoverTally(numbers.filter(isOfVictim), nowMs)
    this.#others = new FailoverTally(
      numbers.filter((client) => !isOfVictim(client)),
      nowMs,
    )
  }

  /** Resolves when all clients are connected. */
  static async open(options: FailoverLoadOptions): Promise<FailoverLoad> {
    return new FailoverLoad(options, await openClients(options.kind, options.addresses, options.clients))
  }

  order(order: FailoverOrder): void {
    const nowMs = performance.now()
    switch (order.kind) {
      case 'fault begins':
        this.#phase = 'absent'
        this.#faultAtMs = nowMs
        this.#others.faultBegins()
        this.#ofVictim.faultBegins()
        break
      case 'node returns':
        this.#phase = 'after'
        this.#caughtUp = this.#untilCaughtUp(order.ask, nowMs)
        break
      case 'end':
        this.#isOver = true
        break
    }
  }

  /** Resolves when the load is over and every acknowledged key has been asked for; `tell` how far it is. */
  async run(tell: (news: LoadNews) => void): Promise<FailoverResult> {
    this.#tell = tell
    const { warmUpSeconds, secondsMax, requestsPerSecond, groupSize } = this.#options
    const startMs = performance.now()
    const measureFromMs = startMs + warmUpSeconds * 1000
    const endMs = measureFromMs + secondsMax * 1000
    const everyMs = (groupSize / requestsPerSecond) * 1000
    let dueMs = startMs
    for (let next = 0; !this.#isOver && performance.now() < endMs;) {
      const nowMs = performance.now()
      if (this.#phase === 'warm-up' && nowMs >= measureFromMs) {
        this.#phase = 'before'
        tell('measuring')
      }
      for (; dueMs <= nowMs; next++) {
        this.#sendGroup(next % this.#clients.length, dueMs)
        this.#late.record(nowMs - dueMs, groupSize)
        // The rate rises while they warm up: what has just started is not as fast as what has run.
        const share = Math.min(1, Math.max(RATE_MIN_SHARE, (dueMs - startMs) / (measureFromMs - startMs)))
        dueMs += everyMs / share
      }
      await sleep(TICK_MS)
    }
    const overMs = performance.now()
    const others = this.#others.figures(overMs)
    const ofVictim = this.#ofVictim.clients === 0 ? null : this.#ofVictim.figures(overMs)
    await this.#drain()
    const caughtUpMs = await this.#caughtUp
    const lost = await this.#readBack()
    for (const client of this.#clients) client.disconnect()
    return {
      others,
      ofVictim,
      errors: Object.fromEntries(this.#errors),
      acknowledged: this.#keys.count,
      lost,
      missedReads: this.#missedReads,
      caughtUpMs,
      lateP99Ms: this.#late.percentileMs(0.99),
    }
  }

  #sendGroup(client: number, dueMs: number): void {
    this.#clients[client].together(() => {
      for (let i = 0; i < this.#options.groupSize; i++) this.#send(client, dueMs)
    })
  }

  #send(client: number, dueMs: number): void {
    if (this.#underWay >= UNDER_WAY_MAX) return this.#failed(client, this.#phase, TOO_MUCH_UNDER_WAY)
    const keys = this.#keys
    const isWrite = keys.count === 0 || this.#random() < 0.5
    if (isWrite && keys.isFull) return
    const number = isWrite ? keys.next() : keys.at(Math.floor(this.#random() * keys.count))
    void (isWrite ? this.#set(client, number, dueMs) : this.#get(client, number, dueMs))
  }

  async #set(client: number, number: number, dueMs: number): Promise<void> {
    const phase = this.#phase
    this.#underWay++
    try {
      await this.#clients[client].set(this.#keys.keyOf(number), this.#keys.valueOf(number))
      const nowMs = performance.now()
      this.#keys.acknowledge(number, nowMs)
      this.#succeeded(client, phase, number, dueMs, nowMs)
    } catch (error) {
      this.#failed(client, phase, (error as Error).message)
    }
    this.#underWay--
  }

  async #get(client: number, number: number, dueMs: number): Promise<void> {
    const phase = this.#phase
    this.#underWay++
    try {
      const value = await this.#clients[client].get(this.#keys.keyOf(number))
      if (value !== this.#keys.valueOf(number)) this.#missedReads++
      this.#succeeded(client, phase, number, dueMs, performance.now())
    } catch (error) {
      this.#failed(client, phase, (error as Error).message)
    }
    this.#underWay--
  }

  /** A cluster client is connected to all. */
  #isOfVictim(client: number): boolean {
    const { kind, addresses, victim } = this.#options
    return kind === 'plain' && client % addresses.length === victim
  }

  #tallyOf(client: number): FailoverTally {
    return this.#isOfVictim(client) ? this.#ofVictim : this.#others
  }

  #succeeded(client: number, phase: Phase | 'warm-up', number: number, dueMs: number, nowMs: number): void {
    if (phase === 'warm-up') return
    const ofKeys = this.#victimSlots.has(this.#keys.slotOf(number))
    this.#tallyOf(client).succeeded(client, phase, dueMs, nowMs, ofKeys)
  }

  #failed(client: number, phase: Phase | 'warm-up', text: string): void {
    const alike = text.replace(VARYING, '#')
    const known = this.#errors.has(alike) || this.#errors.size < TEXTS_MAX ? alike : 'other errors'
    this.#errors.set(known, (this.#errors.get(known) ?? 0) + 1)
    if (phase !== 'warm-up') this.#tallyOf(client).failed(phase)
  }

  async #untilCaughtUp(ask: HeldQuestion, returnedAtMs: number): Promise<number> {
    const slots = ask.allKeys ? new SlotSet(ALL_SLOTS) : this.#victimSlots
    const keys = this.#keys.sample(this.#faultAtMs, returnedAtMs, slots, SAMPLE_MAX)
    const { address, prologue, limitMs } = ask
    const tookMs = await untilHeld({ address, prologue, keys, limitMs })
    this.#tell('caught up')
    return tookMs
  }

  async #drain(): Promise<void> {
    const limitMs = performance.now() + DRAIN_LIMIT_MS
    while (this.#underWay > 0 && performance.now() < limitMs) await sleep(TICK_MS)
  }

  /** How many acknowledged keys are not there. What cannot be asked for counts as lost in the end. */
  async #readBack(): Promise<number> {
    let missing = Array.from({ length: this.#keys.count }, (_, place) => this.#keys.at(place))
    for (let tries = 0; tries < READ_BACK_TRIES && missing.length > 0; tries++) {
      if (tries > 0) await sleep(READ_BACK_AGAIN_MS)
      const { absent, unanswered } = await this.#askFor(missing)
      if (unanswered.length === 0) return absent.length
      missing = [...absent, ...unanswered]
    }
    return missing.length
  }

  async #askFor(numbers: readonly number[]): Promise<{ absent: number[]; unanswered: number[] }> {
    const absent: number[] = []
    const unanswered: number[] = []
    const client = this.#clients[(this.#options.victim + 1) % this.#options.addresses.length]
    for (let first = 0; first < numbers.length; first += READ_BACK_AT_ONCE) {
      const part = numbers.slice(first, first + READ_BACK_AT_ONCE)
      const values = await Promise.allSettled(part.map((number) => client.get(this.#keys.keyOf(number))))
      for (const [i, value] of values.entries()) {
        if (value.status === 'rejected') unanswered.push(part[i])
        else if (value.value !== this.#keys.valueOf(part[i])) absent.push(part[i])
      }
    }
    return { absent, unanswered }
  }
}
