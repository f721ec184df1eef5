/**
 * The crash driver against a log small enough to be right at a glance, and against the classic ways to get it
 * wrong: a driver that does not catch these would not catch them in the storage engine either.
 *
 * The toy log: records of one length byte, one checksum byte and the payload, each synced before it is promised.
 */
import t from 'tap'
import type { Disk } from '../../src/env/disk.js'
import type { SimEnv } from '../../src/sim/sim-env.js'
import { completion } from '../support/completion.js'
import { crashAtEveryOperation, failEveryOperation } from '../support/op-crash.js'
import type { CrashStory } from '../support/op-crash.js'

const PATH = '/log/records'
const RECORDS = 6

interface Variant {
  readonly syncsRecords: boolean
  readonly syncsFolder: boolean
  readonly hasChecksum: boolean
  /** What it does after a failed sync: give up, or sync once more and trust that. */
  readonly retriesSync: boolean
  /**
   * What recovery does with what it found before it shows it. After a failed sync and a restart of the process the
   * page cache still holds bytes that it takes for clean, so that a sync alone does not write them: they must be dirty again.
   */
  readonly recovered: 'rewritten and synced' | 'synced' | 'left alone'
}

const RIGHT: Variant = {
  syncsRecords: true,
  syncsFolder: true,
  hasChecksum: true,
  retriesSync: false,
  recovered: 'rewritten and synced',
}

class ToyLog {
  readonly #disk: Disk
  readonly #variant: Variant
  readonly #file: number
  #end = 0
  readonly records: string[] = []

  constructor(disk: Disk, variant: Variant) {
    this.#disk = disk
    this.#variant = variant
    disk.makeDirectory('/log')
    this.#file = disk.open(PATH, 'create')
    if (variant.syncsFolder) {
      disk.syncDirectory('/log')
      disk.syncDirectory('/')
    }
    this.#recover()
  }

  async append(text: string): Promise<void> {
    const payload = new TextEncoder().encode(text)
    const bytes = new Uint8Array([payload.length, sumOf(payload), ...payload])
    const written = await completion((done) =>
      this.#disk.write(this.#file, bytes, 0, bytes.length, this.#end, done),
    )
    if (written.error !== null) throw written.error
    this.#end += bytes.length
    if (!this.#variant.syncsRecords) return
    const synced = await completion((done) => this.#disk.sync(this.#file, done))
    if (synced.error === null) return
    if (!this.#variant.retriesSync) throw synced.error
    this.#disk.syncSync(this.#file)
  }

  #recover(): void {
    const bytes = new Uint8Array(this.#disk.sizeBytes(this.#file))
    this.#disk.readSync(this.#file, bytes, 0, bytes.length, 0)
    while (this.#end + 2 <= bytes.length && bytes[this.#end] > 0) {
      const payload = bytes.subarray(this.#end + 2, this.#end + 2 + bytes[this.#end])
      if (payload.length < bytes[this.#end]) break
      if (this.#variant.hasChecksum && sumOf(payload) !== bytes[this.#end + 1]) break
      this.records.push(new TextDecoder().decode(payload))
      this.#end += 2 + payload.length
    }
    this.#disk.truncate(this.#file, this.#end)
    if (this.#variant.recovered === 'left alone') return
    if (this.#variant.recovered !== 'synced') this.#disk.writeSync(this.#file, bytes, 0, this.#end, 0)
    this.#disk.syncSync(this.#file)
  }
}

/** Never zero, so that a hole is no record. */
function sumOf(payload: Uint8Array): number {
  return (payload.reduce((sum, byte) => (sum * 31 + byte) % 255, 7) % 255) + 1
}

interface Promises {
  readonly acknowledged: string[]
  readonly attempted: string[]
}

function storyOf(variant: Variant): CrashStory<Promises> {
  return {
    seed: 'toy-log',
    begin: () => ({ acknowledged: [], attempted: [] }),
    async scenario({ disk }: SimEnv, promises: Promises) {
      try {
        const log = new ToyLog(disk, variant)
        for (let i = 0; i < RECORDS; i++) {
          const text = `record ${i} `.repeat(8)
          promises.attempted.push(text)
          await log.append(text)
          promises.acknowledged.push(text)
        }
      } catch (error) {
        if (!isRefusal(error)) throw error
      }
    },
    check({ disk }: SimEnv, promises: Promises): string[] {
      const { records } = new ToyLog(disk, variant)
      const expected = promises.attempted.slice(0, records.length)
      if (records.join('|') !== expected.join('|')) throw new Error(`invented: ${records.join('|')}`)
      if (records.length < promises.acknowledged.length) throw new Error('lost an acknowledged record')
      return records
    },
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EIO' || error.code === 'ENOSPC')
}

t.test('a log that syncs what it promises survives a power cut at every operation', async (t) => {
  const report = await crashAtEveryOperation(storyOf(RIGHT), { randomCrashes: 10 })
  t.equal(report.operations, 9 + 2 * RECORDS)
  t.equal(report.checks, (report.operations + 1) * 3 * 12)
})

t.test('it keeps its promises when any one operation fails', async (t) => {
  for (const code of ['EIO', 'ENOSPC'] as const) {
    const report = await failEveryOperation(storyOf(RIGHT), code, { randomCrashes: 4 })
    t.ok(report.operations > 0 && report.checks > report.operations)
  }
})

t.test('the driver catches', async (t) => {
  const broken: Record<string, Partial<Variant>> = {
    'a log that promises before it syncs': { syncsRecords: false },
    'a log whose folder is never synced': { syncsFolder: false },
    'a log that takes a torn record for a whole one': { hasChecksum: false },
    'a log that shows what recovery found in the page cache only': { recovered: 'left alone' },
  }
  for (const [title, fault] of Object.entries(broken)) {
    t.test(title, async (t) => {
      await t.rejects(crashAtEveryOperation(storyOf({ ...RIGHT, ...fault }), { randomCrashes: 10 }), {
        message: /crash .*seed toy-log/,
      })
    })
  }

  t.test('a log that trusts a sync which follows a failed one', async (t) => {
    await t.rejects(failEveryOperation(storyOf({ ...RIGHT, retriesSync: true }), 'EIO'), {
      message: /EIO at operation/,
      cause: { message: 'lost an acknowledged record' },
    })
  })

  t.test('a log that syncs what it recovers after a failed sync, and does not write it again', async (t) => {
    await t.rejects(failEveryOperation(storyOf({ ...RIGHT, recovered: 'synced' }), 'EIO'), {
      message: /keep-all crash .* what had been shown has changed/,
    })
  })

  t.test('a scenario that never ends', async (t) => {
    const story = { ...storyOf(RIGHT), scenario: () => new Promise<void>(() => {}) }
    await t.rejects(crashAtEveryOperation(story), { message: /waits for ever/ })
  })
})

t.test('the same story twice gives the same failure', async (t) => {
  const failure = async (): Promise<string> => {
    const story = storyOf({ ...RIGHT, syncsRecords: false })
    return crashAtEveryOperation(story).then(
      () => 'none',
      (error: unknown) => String(error),
    )
  }
  const first = await failure()
  t.match(first, /power off at operation \d+/)
  t.equal(await failure(), first)
})
