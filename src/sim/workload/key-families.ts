/**
 * What clients do with keys. Each family of keys is used in one way only, such that a checker can say from outside what has to be
 * seen: see checkers/. Keys of a family change as time goes on, so that their histories stay short.
 */
import type { EventQueue } from '../event-queue.js'
import type { SimRandom } from '../sim-random.js'
import type { SimReply } from '../sim-client.js'
import type { OperationLevel } from '../run/history.js'
import { valuesSeen } from '../checkers/siblings.js'
import { single } from './plan.js'
import type { Command, Draft, Plan } from './plan.js'

/** What all clients of a run share. */
export interface SharedKeys {
  readonly queue: EventQueue
  /** Keys that were written, newest last, by family. */
  readonly written: Map<string, string[]>
  values: number
  keys: number
  /** How many requests are sent at other levels than QUORUM. */
  readonly otherLevels: number
  readonly epochs: number
}

/** How long a key of these families is in use. */
const EPOCH_MS: Readonly<Record<string, number>> = { reg: 4000, chain: 1500, nx: 400, cnt: 500, sib: 2500 }
const HOT_KEYS = 2
const RECENT = 40
const LARGE_BYTES = [500, 4000, 12_000]
const MINUTE_MS = 60_000

interface Look {
  readonly context: string
  readonly seen: readonly string[]
}

const LOOKS_KEPT = 5

/** One client's part in each family. */
export class KeyFamilies {
  readonly #shared: SharedKeys
  readonly #random: SimRandom
  /** The client deletes each of these once. */
  readonly #toDelete: string[] = []
  readonly #toExpire: string[] = []
  readonly #seen = new Map<string, string>()
  /** The latest looks at each key; one may still write with the context of an old one. */
  readonly #looks = new Map<string, Look[]>()

  constructor(shared: SharedKeys, random: SimRandom) {
    this.#shared = shared
    this.#random = random
  }

  plan(family: string, isSmart: boolean): Plan {
    switch (family) {
      case 'once':
        return this.#once(isSmart)
      case 'reg':
        return this.#register()
      case 'chain':
        return this.#chain()
      case 'nx':
        return this.#setnx()
      case 'cnt':
        return this.#counter()
      case 'sib':
        return this.#siblings()
      case 'del':
        return this.#deletion()
      case 'ttl':
        return this.#expiry()
      default:
        throw new Error(`no such family: ${family}`)
    }
  }

  // Families.

  #once(isSmart: boolean): Plan {
    const random = this.#random
    if (random.chance(0.5)) {
      const many = !isSmart && random.chance(0.3) ? random.between(2, 4) : 1
      const keys = Array.from({ length: many }, () => this.#recent('once'))
      return this.#read('once', keys)
    }
    if (isSmart || random.chance(0.7)) {
      const key = this.#newKey('once')
      const value = this.#value()
      const level = this.#level()
      const args = random.chance(0.1) ? ['SETNX', key, value] : ['SET', key, value]
      const kind = args[0] === 'SETNX' ? 'setnx' : 'set'
      return { commands: [single({ kind, family: 'once', key, value }, args, level)] }
    }
    const drafts = Array.from({ length: random.between(2, 4) }, (): Draft => {
      const key = this.#newKey('once')
      return { kind: 'set', family: 'once', key, value: this.#value() }
    })
    const args = ['MSET', ...drafts.flatMap(({ key, value = '' }) => [key, value])]
    return { commands: [{ args, drafts, level: 'QUORUM' }] }
  }

  #register(): Plan {
    const random = this.#random
    const count = random.chance(0.25) ? random.between(2, 4) : 1
    return { commands: Array.from({ length: count }, () => this.#registerCommand()) }
  }

  #registerCommand(): Command {
    const random = this.#random
    const key = this.#hotKey('reg')
    const family = 'reg'
    const what = random.pick(['set', 'set', 'get', 'get', 'get', 'setnx', 'del'] as const)
    if (what === 'get') return single({ kind: 'get', family, key }, ['GET', key], this.#level())
    if (what === 'del') return single({ kind: 'del', family, key }, ['DEL', key])
    const value = this.#value()
    const level = what === 'set' ? this.#level() : 'QUORUM'
    return single({ kind: what, family, key, value }, [what.toUpperCase(), key, value], level)
  }

  #chain(): Plan {
    const family = 'chain'
    const key = this.#hotKey(family)
    const value = this.#value()
    const expected = this.#seen.get(key)
    const remember = (reply: SimReply): void => {
      if (typeof reply === 'string') this.#seen.set(key, reply)
    }
    if (expected !== undefined && this.#random.chance(0.4)) {
      this.#seen.delete(key)
      const args = ['SET', key, value, 'IFEQ', expected]
      return { commands: [single({ kind: 'cas', family, key, value, seen: [expected] }, args)] }
    }
    if (this.#random.chance(0.3)) {
      return { commands: [single({ kind: 'get', family, key }, ['GET', key], 'QUORUM', remember)] }
    }
    return { commands: [single({ kind: 'swap', family, key, value }, ['SET', key, value, 'GET'])] }
  }

  #setnx(): Plan {
    const key = this.#hotKey('nx')
    const value = this.#value()
    return { commands: [single({ kind: 'setnx', family: 'nx', key, value }, ['SETNX', key, value])] }
  }

  #counter(): Plan {
    const key = this.#hotKey('cnt')
    const command = single({ kind: 'incr', family: 'cnt', key }, ['INCR', key])
    const count = this.#random.chance(0.2) ? this.#random.between(2, 5) : 1
    return { commands: Array.from({ length: count }, () => command) }
  }

  /** Looks, and then replaces what it has seen, now or earlier: whatever came in between stays. */
  #siblings(): Plan {
    const family = 'sib'
    const key = this.#hotKey(family)
    const looks = this.#looks.get(key) ?? []
    if (looks.length > 0 && this.#random.chance(0.3)) return this.#resolve(key, this.#random.pick(looks))
    let latest: Look | null = null
    const look = single({ kind: 'look', family, key }, ['KV.SIBLINGS', key], 'QUORUM', (reply) => {
      if (!Array.isArray(reply)) return
      latest = { context: String((reply as readonly SimReply[])[1]), seen: valuesSeen(reply) }
      this.#looks.set(key, [...looks.slice(1 - LOOKS_KEPT), latest])
    })
    // Who only looks makes a value known without replacing it.
    const goesOn = this.#random.chance(0.5)
    return { commands: [look], then: () => (latest === null || !goesOn ? null : this.#resolve(key, latest)) }
  }

  #resolve(key: string, { context, seen }: Look): Plan {
    const value = this.#value()
    const draft: Draft = { kind: 'resolve', family: 'sib', key, value, seen }
    const args = ['KV.SIBLINGS', key, 'RESOLVE', context, 'VALUE', value]
    return { commands: [single(draft, args, this.#level())] }
  }

  #deletion(): Plan {
    const random = this.#random
    const family = 'del'
    if (random.chance(0.4)) return this.#read(family, [this.#recent(family)])
    const due = random.chance(0.45) ? this.#oneToDelete() : undefined
    if (due !== undefined) {
      const command = random.pick(['DEL', 'DEL', 'DELEX', 'UNLINK'])
      return { commands: [single({ kind: 'del', family, key: due }, [command, due])] }
    }
    const key = this.#newKey(family)
    const value = this.#value()
    this.#toDelete.push(key)
    return { commands: [single({ kind: 'set', family, key, value }, ['SET', key, value])] }
  }

  /** The oldest, or any: what was written long ago has left memory, or has gone to a window of its own. */
  #oneToDelete(): string | undefined {
    const random = this.#random
    if (this.#toDelete.length === 0) return undefined
    const at = random.chance(0.5) ? 0 : random.below(this.#toDelete.length)
    return this.#toDelete.splice(at, 1)[0]
  }

  #expiry(): Plan {
    const random = this.#random
    const family = 'ttl'
    if (random.chance(0.5)) return this.#read(family, [this.#recent(family)])
    const due = this.#toExpire.length > 3 ? this.#toExpire.shift() : undefined
    const ttlMs = this.#ttlMs()
    if (due !== undefined && random.chance(0.6)) {
      const key = due
      const persist = random.chance(0.3)
      if (persist) return { commands: [single({ kind: 'persist', family, key }, ['PERSIST', key])] }
      return { commands: [single({ kind: 'expire', family, key, ttlMs }, ['PEXPIRE', key, ttlMs])] }
    }
    const key = this.#newKey(family)
    const value = this.#value()
    this.#toExpire.push(key)
    const args = ['SET', key, value, 'PX', ttlMs]
    return { commands: [single({ kind: 'set', family, key, value, ttlMs }, args)] }
  }

  // What they are made of.

  #read(family: string, keys: readonly string[]): Plan {
    const level = this.#level()
    if (keys.length === 1) {
      const [key] = keys
      return { commands: [single({ kind: 'get', family, key }, ['GET', key], level)] }
    }
    const drafts = keys.map((key): Draft => ({ kind: 'get', family, key }))
    return { commands: [{ args: ['MGET', ...keys], drafts, level }] }
  }

  #newKey(family: string): string {
    const key = `${family}:${++this.#shared.keys}`
    const known = this.#shared.written.get(family)
    if (known === undefined) this.#shared.written.set(family, [key])
    else known.push(key)
    return key
  }

  #recent(family: string): string {
    const known = this.#shared.written.get(family)
    if (known === undefined) return `${family}:0`
    const among = this.#random.chance(0.8) ? known.slice(-RECENT) : known
    return this.#random.pick(among)
  }

  #hotKey(family: string): string {
    const epoch = Math.floor(this.#shared.queue.nowMs / (this.#shared.epochs * EPOCH_MS[family]))
    return `${family}:${epoch}:${this.#random.below(HOT_KEYS)}`
  }

  #value(): string {
    const value = `v${++this.#shared.values}`
    if (!this.#random.chance(0.15)) return value
    return `${value}.${'x'.repeat(this.#random.pick(LARGE_BYTES))}`
  }

  #ttlMs(): number {
    const random = this.#random
    return random.pick([
      random.between(200, 5000),
      random.between(5000, MINUTE_MS),
      random.between(MINUTE_MS, 360 * MINUTE_MS),
    ])
  }

  #level(): OperationLevel {
    if (!this.#random.chance(this.#shared.otherLevels)) return 'QUORUM'
    return this.#random.pick(['ONE', 'ALL'] as const)
  }
}
