/** Small histories for checkers, written down as one reads them. */
import type { Checker, Evidence } from '../../../../src/sim/checkers/evidence.js'
import type { Operation } from '../../../../src/sim/run/history.js'
import type { HeldRecord, StoreDump } from '../../../../src/sim/run/store-dump.js'

/** One operation; times in milliseconds. Its own connection unless said. */
export function operation(
  id: number,
  [startMs, endMs]: readonly [number, number],
  what: Partial<Operation> & Pick<Operation, 'kind' | 'key'>,
): Operation {
  return {
    ...{ id, startMs, endMs, value: '', seen: [], ttlMs: 0, level: 'QUORUM' },
    ...{ client: id, connection: id, place: 0, node: 'node-1', reply: 'OK' },
    family: what.key.split(':')[0],
    ...what,
  }
}

/** A node's store: values by key; null for a deletion. */
export function store(node: string, held: Readonly<Record<string, readonly (string | null)[]>>): StoreDump {
  const records = new Map<string, HeldRecord>()
  for (const [key, values] of Object.entries(held)) {
    const siblings = values.map((value, i) => ({
      ...{ actor: i + 1, hlc: 100 - i, expireAtMs: 0 },
      isValue: value !== null,
      value: value ?? '',
    }))
    const bytes = Buffer.from(JSON.stringify(values))
    records.set(key, { siblings, bytes, decoded: { key: Buffer.from(key), context: [], siblings: [] } })
  }
  return { node, records, flushMark: 0, horizonMs: () => 0 }
}

export function evidence(operations: readonly Operation[], more: Partial<Evidence> = {}): Evidence {
  return {
    operations,
    stores: [],
    replicasOf: () => ['node-1', 'node-2'],
    stampMs: 2,
    ...{ disksFailed: false, clocksWrong: false, nodesStopped: false, isSloppy: false },
    timeless: new Set(),
    ...{ complaints: [], leaks: [], stuck: [] },
    ...more,
  }
}

/** The first word of each complaint. */
export function complaints(checker: Checker, given: Evidence): string[] {
  return checker.check(given).map(({ what }) => what.split(':')[0].split(';')[0])
}
