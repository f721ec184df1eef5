/** Records for tests of what comes from peers: encoded, of few actors, with stamps near the machine's clock. */
import { RecordMerger } from '../../../src/coordinator/record-merger.js'
import type { MergePolicy } from '../../../src/record/merge.js'
import { decodeRecord, encodeRecord, valueSibling, deletionSibling } from '../../../src/record/record.js'
import type { RecordValue, Sibling } from '../../../src/record/record.js'
import type { Dot } from '../../../src/record/version-vector.js'
import { EntryRef } from '../../../src/storage/entry.js'
import { recordLength } from '../../../src/record/layout.js'
import type { StorageMachine } from '../../sim/storage-machine.js'

export const value = (actor: number, hlc: number, text: string, expireAtMs = 0): Sibling =>
  valueSibling({ actor, hlc }, Buffer.from(text), expireAtMs)

export const deletion = (actor: number, hlc: number): Sibling => deletionSibling({ actor, hlc })

/** A record's bytes; its context are the siblings' dots and `seen`, of each actor the highest. */
export function encoded(key: string, siblings: readonly Sibling[], seen: readonly Dot[] = []): Buffer {
  const highest = new Map<number, number>()
  for (const { actor, hlc } of [...siblings, ...seen]) {
    highest.set(actor, Math.max(hlc, highest.get(actor) ?? 0))
  }
  const context = [...highest].map(([actor, hlc]) => ({ actor, hlc })).sort((a, b) => a.actor - b.actor)
  return encodeRecord({ key: Buffer.from(key), siblings, context })
}

/** A merger over the machine's store, with what it reported. */
export class MergerProbe {
  readonly merger: RecordMerger
  readonly corrupt: { key: string; dots: readonly Dot[] }[] = []
  witnessed = 0
  horizonMs = 0
  policy: MergePolicy = 'siblings'
  readonly #machine: StorageMachine

  constructor(machine: StorageMachine) {
    this.#machine = machine
    this.merger = new RecordMerger(machine.store, machine.env.clock, {
      policyOf: () => this.policy,
      witness: (hlc) => (this.witnessed = Math.max(this.witnessed, hlc)),
      horizonOf: () => this.horizonMs,
      onCorruptDots: (bytes, start, end, dots) =>
        this.corrupt.push({ key: bytes.toString('latin1', start, end), dots }),
    })
  }

  /** Merges bytes that do not stand at the start of their buffer; blocks that are missing are loaded. */
  async merge(record: Buffer): Promise<number> {
    const bytes = Buffer.concat([Buffer.alloc(5), record, Buffer.alloc(5)])
    return this.loaded(() => this.merger.merge(bytes, 5, 5 + record.length))
  }

  /** Runs a call of the merger until nothing is COLD. */
  async loaded(call: () => number): Promise<number> {
    for (;;) {
      const answer = call()
      if (answer !== -1) return answer
      let done = false
      const load = this.merger.startLoads(() => (done = true))
      await this.#machine.until(() => done, 'the block is loaded')
      if (load.error !== null) throw load.error
      const again = call()
      load.release()
      if (again !== -1) return again
    }
  }

  /** What the store holds of the key, as bytes of its own; null when nothing counts. */
  async held(key: string): Promise<Buffer | null> {
    const entry = new EntryRef()
    const bytes = Buffer.from(key)
    await this.loaded(() => this.merger.find(bytes, 0, bytes.length, entry))
    if (entry.record === 0) return null
    return Buffer.from(
      entry.bytes.subarray(entry.record, entry.record + recordLength(entry.bytes, entry.record)),
    )
  }

  async decoded(key: string): Promise<RecordValue | null> {
    const bytes = await this.held(key)
    return bytes === null ? null : decodeRecord(bytes, 0)
  }
}
