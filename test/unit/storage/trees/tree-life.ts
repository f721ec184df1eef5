/**
 * A random life of a store that keeps trees: writes, deletions, times to live, siblings from other nodes, flush marks of now and of
 * a moment ago, time that passes. What happens between the writes is the caller's.
 */
import { wallMsToHlc } from '../../../../src/record/hlc.js'
import type { StoreOptions } from '../../../../src/storage/store-options.js'
import type { RangeTrees } from '../../../../src/storage/trees/range-trees.js'
import { Seeded } from '../../../support/seeded.js'
import { StorageMachine, TINY } from '../../../sim/storage-machine.js'
import { deletion, encoded, MergerProbe, value } from '../../coordinator/records.js'
import { keptTrees, RANGES, treeDifference, walkedTrees } from './tree-model.js'

export const WITH_TREES: StoreOptions = { ...TINY, partitions: RANGES, keepsTrees: true, keepsDead: true }

const KEYS = 60
const HOUR_MS = 3600_000

export class TreeLife {
  readonly machine: StorageMachine
  readonly random: Seeded
  /** Whether flush marks come. */
  flushes = true
  #probe!: MergerProbe
  #probed: unknown = null

  constructor(seed: number, options: StoreOptions = WITH_TREES) {
    this.random = new Seeded(seed)
    this.machine = StorageMachine.fromSeed(`trees ${seed}`, options)
  }

  get trees(): RangeTrees {
    const { trees } = this.machine.store
    if (trees === null) throw new Error('the store keeps trees')
    return trees
  }

  get isReady(): boolean {
    const { facts } = this.trees
    return facts.readyRanges === facts.ranges
  }

  get probe(): MergerProbe {
    if (this.#probed !== this.machine.store) this.#probe = new MergerProbe(this.machine)
    this.#probed = this.machine.store
    return this.#probe
  }

  /** Waits until the trees of all ranges are complete. */
  async ready(): Promise<void> {
    await this.machine.until(() => this.isReady, 'the trees are ready')
  }

  async live(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.step()
  }

  /** Every key, with a value that does not expire. */
  async writeAll(): Promise<void> {
    for (let key = 0; key < KEYS; key++) await this.#write(`key ${key}`, 0)
  }

  async step(): Promise<void> {
    const { random, machine } = this
    const dice = random.below(100)
    const key = this.#key()
    if (dice < 40) await this.#write(key, 0)
    else if (dice < 55) await this.#write(key, machine.nowMs + 1 + random.below(4 * HOUR_MS))
    else if (dice < 70) await this.#delete(key)
    else if (dice < 95) await this.#merge(key)
    else if (dice < 97) await machine.advance(random.below(HOUR_MS / 2))
    else if (dice < 98 && this.flushes) this.#flush()
    else await machine.rest()
  }

  #key(): string {
    return `key ${this.random.below(KEYS)}`
  }

  async #write(key: string, expireAtMs: number): Promise<void> {
    const bytes = Buffer.from(key)
    const text = Buffer.alloc(10 + this.random.below(300), this.random.below(256))
    await this.machine.admission(2 * text.length + 200)
    await this.machine.command([bytes], () =>
      this.machine.keyspace.set(bytes, 0, bytes.length, text, 0, text.length, expireAtMs),
    )
  }

  async #delete(key: string): Promise<void> {
    const bytes = Buffer.from(key)
    await this.machine.admission(200)
    await this.machine.command([bytes], () => this.machine.keyspace.delete(bytes, 0, bytes.length))
  }

  /** A record of another node: newer, older or beside what is held, of one sibling or two. */
  async #merge(key: string): Promise<void> {
    const { machine, random } = this
    const hlc = wallMsToHlc(machine.nowMs) - random.below(2) * random.below(4096 * 5000) + random.below(4096)
    const actor = 1 + random.below(3)
    const expireAtMs = random.chance(3) ? machine.nowMs + 1 + random.below(2 * HOUR_MS) : 0
    const siblings = random.chance(4)
      ? [deletion(actor, hlc)]
      : [value(actor, hlc, `${random.below(1000)}`, expireAtMs)]
    if (random.chance(3)) siblings.push(value(actor + 3, hlc - 1, 'beside'))
    const seen = random.chance(2) ? [{ actor: 7, hlc: hlc - 5 }] : []
    await machine.admission(2000)
    await this.probe.merge(encoded(key, siblings, seen))
  }

  /** Half of the marks were made a moment ago: what was written since is above them. */
  #flush(): void {
    const { machine, random } = this
    const agoMs = random.chance(2) ? -2 : random.below(3000)
    const mark = wallMsToHlc(machine.nowMs - agoMs)
    if (mark > machine.store.flushMark) machine.keyspace.appendFlushMark(mark)
  }

  /** What differs between the trees that are kept and those that a walk finds; null when nothing does. */
  async difference(): Promise<string | null> {
    const walked = await walkedTrees(this.machine, this.trees)
    return treeDifference(keptTrees(this.trees), walked)
  }
}
