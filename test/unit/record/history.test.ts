/**
 * Whole histories of one key on three replicas, held against an oracle that keeps for every write the explicit set of
 * writes it replaced: a replica must hold exactly the writes that no write known to it has replaced. The oracle knows
 * nothing of vectors, so it is right where they might not be.
 */
import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { holds } from '../util/holds.js'
import { Digest } from '../../../src/record/digest.js'
import { winnerIsLive } from '../../../src/record/death.js'
import { Hlc, hlcToWallMs } from '../../../src/record/hlc.js'
import { mergeRecords } from '../../../src/record/merge.js'
import { NO_CUTOFFS, normaliseRecord, type Cutoffs } from '../../../src/record/normalise.js'
import {
  decodeRecord,
  deletionSibling,
  encodeRecord,
  valueSibling,
  type RecordValue,
} from '../../../src/record/record.js'
import { resolveRecord } from '../../../src/record/resolve.js'
import { newestHlc, type VersionVector } from '../../../src/record/version-vector.js'
import { KEY, plain } from './arbitrary-record.js'

const START_MS = Date.UTC(2026, 0, 1)
const REPLICAS = 3

/** A read by a client: what it was shown, and the token it may bring back. */
interface Snapshot {
  readonly context: VersionVector
  readonly known: ReadonlySet<number>
}

class Replica {
  readonly actor: number
  readonly clock = new Hlc()
  record: RecordValue | null = null
  /** The oracle: the HLC of every write that this replica knows of. HLCs are unique in a history here. */
  known = new Set<number>()

  constructor(index: number) {
    this.actor = 10 + index
  }
}

class History {
  readonly replicas = Array.from({ length: REPLICAS }, (_, index) => new Replica(index))
  /** The oracle: the writes that each write replaced. */
  readonly replaced = new Map<number, ReadonlySet<number>>()
  readonly deletions = new Set<number>()
  snapshots: Snapshot[] = [{ context: [], known: new Set() }]
  cutoffs: Cutoffs = NO_CUTOFFS
  wallMs = START_MS

  write(replica: Replica, seen: Snapshot, deletes: boolean): void {
    const local = replica.record
    const floor = Math.max(newestHlc(local?.context ?? []), newestHlc(seen.context))
    const hlc = this.#uniqueHlc(replica, floor)
    const dot = { actor: replica.actor, hlc }
    const sibling = deletes ? deletionSibling(dot) : valueSibling(dot, Buffer.from(String(hlc)), 0)
    replica.record = resolveRecord(KEY, local, seen.context, sibling)
    this.replaced.set(hlc, new Set(seen.known))
    if (deletes) this.deletions.add(hlc)
    replica.known = new Set([...replica.known, ...seen.known, hlc])
  }

  /** `to` receives what `from` holds, by way of its bytes. */
  send(from: Replica, to: Replica): void {
    if (from === to || from.record === null) return
    const arrived = normaliseRecord(decodeRecord(encodeRecord(from.record), 0), this.cutoffs)
    const held = to.record === null ? null : normaliseRecord(to.record, this.cutoffs)
    if (arrived === null) to.record = held
    else if (held === null) to.record = arrived
    else to.record = mergeRecords(held, arrived, 'siblings').record
    to.clock.witness(newestHlc(from.record.context))
    to.known = new Set([...to.known, ...from.known])
  }

  read(replica: Replica): void {
    this.snapshots.push({ context: replica.record?.context ?? [], known: new Set(replica.known) })
  }

  everyoneExchanges(): void {
    for (const from of this.replicas) for (const to of this.replicas) if (from !== to) this.send(from, to)
    for (const from of this.replicas) for (const to of this.replicas) if (from !== to) this.send(from, to)
  }

  /** The HLCs that a replica must hold, newest first. */
  expected(replica: Replica): number[] {
    const gone = new Set([...replica.known].flatMap((hlc) => [...(this.replaced.get(hlc) ?? [])]))
    return [...replica.known].filter((hlc) => !gone.has(hlc)).toSorted((a, b) => b - a)
  }

  #uniqueHlc(replica: Replica, floor: number): number {
    let hlc = replica.clock.mint(this.wallMs, floor)
    for (let tries = 0; this.replaced.has(hlc); tries++) {
      assert.ok(tries < 100, 'the clock goes on')
      hlc = replica.clock.mint(this.wallMs, floor)
    }
    return hlc
  }
}

function held(replica: Replica): number[] {
  return (replica.record?.siblings ?? []).map((sibling) => sibling.hlc)
}

function digestOf(replica: Replica, cutoffs: Cutoffs): string {
  const digest = new Digest()
  if (replica.record === null || !digest.of(encodeRecord(replica.record), 0, cutoffs)) return 'absent'
  return `${digest.first}:${digest.second}`
}

const step = fc.record({
  what: fc.constantFrom(
    'put',
    'put',
    'delete',
    'blind',
    'plain',
    'send',
    'send',
    'send',
    'read',
    'read',
    'time',
  ),
  replica: fc.nat(REPLICAS - 1),
  other: fc.nat(REPLICAS - 1),
  snapshot: fc.nat(),
})
type Step = { what: string; replica: number; other: number; snapshot: number }

function play(history: History, { what, replica: index, other, snapshot }: Step): void {
  const replica = history.replicas[index]
  const seen = history.snapshots[snapshot % history.snapshots.length]
  if (what === 'put' || what === 'delete') history.write(replica, seen, what === 'delete')
  else if (what === 'blind') history.write(replica, { context: [], known: new Set() }, false)
  else if (what === 'plain') {
    history.write(
      replica,
      { context: replica.record?.context ?? [], known: replica.known },
      snapshot % 2 === 0,
    )
  } else if (what === 'send') history.send(replica, history.replicas[other])
  else if (what === 'read') history.read(replica)
  else history.wallMs += snapshot % 50
}

t.test('V1 V3 V4 a replica holds exactly the writes that no write it knows of has replaced', async (t) => {
  holds(
    t,
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const history = new History()
      for (const each of steps) {
        play(history, each)
        const replica = history.replicas[each.what === 'send' ? each.other : each.replica]
        assert.deepEqual(held(replica), history.expected(replica))
      }
    }),
    { numRuns: 500 },
  )
})

t.test('V1 V9 after everyone exchanged, all hold the same bytes and the same digest', async (t) => {
  holds(
    t,
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const history = new History()
      for (const each of steps) play(history, each)
      history.everyoneExchanges()
      const [first, ...rest] = history.replicas
      for (const replica of rest) {
        assert.deepEqual(plain(replica.record), plain(first.record))
        assert.equal(digestOf(replica, NO_CUTOFFS), digestOf(first, NO_CUTOFFS))
      }
    }),
    { numRuns: 300 },
  )
})

t.test('V7 P3 purging after a complete exchange changes nothing that a later read can see', async (t) => {
  const purges = fc.array(fc.boolean(), { minLength: REPLICAS, maxLength: REPLICAS })
  holds(
    t,
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.array(step, { maxLength: 30 }),
      purges,
      fc.boolean(),
      (before, after, purging, restarts) => {
        const history = new History()
        for (const each of before) play(history, each)
        history.everyoneExchanges()
        const horizonMs = hlcToWallMs(Math.max(...history.replicas.map((replica) => replica.clock.last))) + 1
        history.cutoffs = { flushMark: 0, purgeHorizonMs: horizonMs }
        history.wallMs = horizonMs + 1
        // Some replicas clean up on disk, others only count the record as if they had.
        history.replicas.forEach((replica, index) => {
          if (purging[index] && replica.record !== null) {
            replica.record = normaliseRecord(replica.record, history.cutoffs)
          }
        })
        // A client's context is a snapshot of the current record; older ones are not in play across a purge.
        history.snapshots = [{ context: [], known: new Set() }]
        if (restarts)
          for (const replica of history.replicas) Object.assign(replica, { actor: replica.actor + 100 })
        for (const each of after) {
          play(history, each)
          const replica = history.replicas[each.what === 'send' ? each.other : each.replica]
          const counted = replica.record === null ? null : normaliseRecord(replica.record, history.cutoffs)
          const seen = (counted?.siblings ?? []).map((sibling) => sibling.hlc)
          const living = (hlc: number) => !(history.deletions.has(hlc) && hlcToWallMs(hlc) <= horizonMs)
          assert.deepEqual(seen.filter(living), history.expected(replica).filter(living))
        }
        history.everyoneExchanges()
        const digests = history.replicas.map((replica) => digestOf(replica, history.cutoffs))
        assert.equal(new Set(digests).size, 1)
        const visible = history.replicas.map(
          ({ record }) => record !== null && winnerIsLive(encodeRecord(record), 0, history.wallMs, 0),
        )
        assert.equal(new Set(visible).size, 1)
      },
    ),
    { numRuns: 500 },
  )
})
