import { readFileSync } from 'node:fs'
import t from 'tap'
import { CorruptionError } from '../../../src/storage/corruption-error.js'
import { FAMILY_WINDOW, SIZE_TIERED } from '../../../src/storage/families.js'
import type { Gap } from '../../../src/storage/gap.js'
import {
  Manifest,
  ManifestWriteError,
  applyEdit,
  decodeManifest,
  emptyManifest,
  encodeManifest,
  leftovers,
  type ManifestState,
  type ManifestTable,
} from '../../../src/storage/manifest.js'
import { xxh32 } from '../../../src/util/xxhash.js'
import { MemoryDisk, PowerLoss, diskError } from './memory-disk.js'
import { tableOf } from './tables.js'

const DIRECTORY = '/data'
const PATH = '/data/MANIFEST'

/** The state whose bytes are in test/data/manifest.txt. */
function goldenState(): ManifestState {
  return applyEdit(emptyManifest(1234567890123456), {
    nextFileNumber: 15,
    lastSequence: 2000,
    flushMark: 77,
    countsFile: 14,
    treesFile: 13,
    addLogs: [12, 3],
    addTables: [
      tableOf(8, { level: 1, minToken: 501, maxToken: 900, deadCount: 1, deathQuartilesMs: [5, 6, 7, 8] }),
      tableOf(9),
      tableOf(7, { level: 1, minToken: 4, maxToken: 500, purgedUntilMs: 1000, purgedMark: 10 }),
      tableOf(4),
    ],
  })
}

/** Fields that manifests of earlier versions do not have. */
const OPTIONAL: ReadonlySet<string> = new Set(['treesFile', 'droppedUntilMs', 'gaps'])

const GAP: Gap = {
  file: '000009.table',
  minToken: 100,
  maxToken: 200,
  floorSequence: 1999,
  maxHlc: 5,
  entryCount: 7,
}

function fails(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return null
}

t.test('the manifest is written in the bytes of its page', async (t) => {
  const golden = readFileSync(new URL('../../../../test/data/manifest.txt', import.meta.url))
  t.equal(encodeManifest(goldenState()).toString(), golden.toString())
  t.same(decodeManifest(golden, PATH), goldenState())
})

t.test('a manifest of a version without trees names none', async (t) => {
  const old = readFileSync(new URL('../../../../test/data/manifest-without-trees.txt', import.meta.url))
  t.same(decodeManifest(old, PATH), { ...goldenState(), treesFile: 0 })
})

t.test('tables of families without levels are written with their place, and may overlap', async (t) => {
  const window = { family: FAMILY_WINDOW, windowStartMs: 1000, windowEndMs: 2000, maxDeathMs: 2000 } as const
  const state = applyEdit(goldenState(), {
    addTables: [tableOf(16, SIZE_TIERED), tableOf(17, SIZE_TIERED), tableOf(18, window), tableOf(19, window)],
    nextFileNumber: 20,
    droppedUntilMs: 900,
  })
  t.equal(applyEdit(state, { droppedUntilMs: 5 }).droppedUntilMs, 900, 'T5 no edit takes it back')
  t.same(decodeManifest(encodeManifest(state), PATH), state)
  const wrong = (fields: Partial<ManifestTable>): string =>
    JSON.stringify({
      ...state,
      tables: state.tables.map((one) => (one.fileNumber === 19 ? { ...one, ...fields } : one)),
    })
  const outliving = JSON.parse(wrong({ maxDeathMs: 2001 })) as ManifestState
  t.throws(() => decodeManifest(encodeUnchecked(outliving), PATH), /outlives its window/)
  const levels = JSON.parse(wrong({ level: 6 })) as ManifestState
  t.throws(() => decodeManifest(encodeUnchecked(levels), PATH), /without levels/)
})

t.test('what was written is loaded, and the leftover of an earlier attempt is overwritten', async (t) => {
  const disk = new MemoryDisk()
  t.equal(Manifest.load(disk, DIRECTORY), null)
  disk.put('/data/MANIFEST.tmp', Buffer.alloc(100_000, 'x'))
  t.equal(Manifest.load(disk, DIRECTORY), null, 'a first start that crashed left nothing to lose')
  Manifest.write(disk, DIRECTORY, goldenState())
  t.same(Manifest.load(disk, DIRECTORY), goldenState())
  t.same(disk.list(DIRECTORY), ['MANIFEST'])
  t.equal(disk.openFiles, 0)
})

t.test('every flipped bit and every cut is detected', async (t) => {
  const disk = new MemoryDisk()
  const bytes = encodeManifest(goldenState())
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Buffer.from(bytes)
    damaged[i] ^= 1 << (i % 8)
    disk.put(PATH, damaged)
    const error = fails(() => Manifest.load(disk, DIRECTORY))
    if (!(error instanceof CorruptionError)) t.fail(`byte ${i}`, { error })
    disk.put(PATH, bytes.subarray(0, i))
    if (!(fails(() => Manifest.load(disk, DIRECTORY)) instanceof CorruptionError)) t.fail(`cut at ${i}`)
  }
  t.pass(`${bytes.length} bytes`)
})

t.test('a missing manifest beside files of ours is damage, not a new directory', async (t) => {
  for (const name of ['000001.log', '000002.table', '000003.counts', '000004.trees']) {
    const disk = new MemoryDisk()
    disk.put(`/data/${name}`, Buffer.alloc(1))
    t.throws(() => Manifest.load(disk, DIRECTORY), { name: 'CorruptionError', file: PATH }, name)
  }
})

t.test('bytes with a right checksum that contradict themselves are refused', async (t) => {
  const good = goldenState()
  const [a, b] = good.tables.filter((table) => table.level === 1)
  const bad: readonly (readonly [string, ManifestState])[] = [
    ['overlap', { ...good, tables: [a, { ...b, minToken: a.maxToken }] }],
    ['a number twice', { ...good, logs: [9] }],
    ['a number from the future', { ...good, nextFileNumber: 12 }],
    ['sequences from the future', { ...good, lastSequence: 5 }],
    ['another format', { ...good, formatVersion: 2 }],
    ['half a gap', { ...good, gaps: [{ ...GAP, floorSequence: -1 }] }],
  ]
  for (const [what, state] of bad) {
    const bytes = encodeUnchecked(state)
    t.throws(() => decodeManifest(bytes, PATH), { name: 'CorruptionError' }, what)
  }
  t.same(decodeManifest(encodeUnchecked(good), PATH), good, 'the tests own encoder is right')
  for (const key of Object.keys(good).filter((name) => !OPTIONAL.has(name))) {
    const partial = Object.fromEntries(Object.entries(good).filter(([name]) => name !== key))
    t.throws(() => decodeManifest(encodeUnchecked(partial), PATH), { name: 'CorruptionError' }, `no ${key}`)
  }
})

t.test('T8 gaps last from the edit that takes a file out to the one that fills them', async (t) => {
  const out = applyEdit(goldenState(), { removeTables: [9], addGaps: [GAP] })
  t.same(applyEdit(out, { addGaps: [{ ...GAP }] }).gaps, [GAP], 'one that is known is there once')
  const disk = new MemoryDisk()
  Manifest.write(disk, DIRECTORY, out)
  t.same(Manifest.load(disk, DIRECTORY), out)
  t.same(applyEdit(out, { removeGaps: [{ ...GAP, minToken: 101 }] }).gaps, [GAP], 'another gap of the file')
  t.same(applyEdit(out, { removeGaps: [{ ...GAP }] }).gaps, [])
  const beyond = applyEdit(goldenState(), { addGaps: [{ ...GAP, floorSequence: 2500 }] })
  t.equal(beyond.lastSequence, 2500, 'T6 sequences of what is missing are not given out again')
})

t.test('an edit is applied whole, and leaves the state it started from alone', async (t) => {
  const before = goldenState()
  const copy = structuredClone(before)
  const after = applyEdit(before, {
    removeTables: [9, 4],
    addTables: [tableOf(16, { level: 1, minToken: 901, maxToken: 1000 })],
    removeLogs: [3],
    addLogs: [15],
    nextFileNumber: 17,
    flushMark: 5,
  })
  t.same(before, copy)
  t.same(
    after.tables.map((table) => table.fileNumber),
    [7, 8, 16],
  )
  t.same(after.logs, [12, 15])
  t.equal(after.flushMark, 77, 'a mark never falls')
  t.equal(after.countsFile, 14)
})

t.test('a table moves to another level in one edit', async (t) => {
  const [table] = goldenState().tables
  const after = applyEdit(goldenState(), { removeTables: [4], addTables: [{ ...table, level: 2 }] })
  t.equal(after.tables.find(({ fileNumber }) => fileNumber === 4)?.level, 2)
})

t.test('an edit that contradicts the state is a bug', async (t) => {
  const state = goldenState()
  const overlapping = tableOf(14, { level: 1, minToken: 900, maxToken: 901 })
  t.throws(() => applyEdit(state, { removeTables: [5] }), { name: 'AssertionError' })
  t.throws(() => applyEdit(state, { removeTables: [4, 4] }), { name: 'AssertionError' })
  t.throws(() => applyEdit(state, { removeLogs: [4] }), { name: 'AssertionError' })
  t.throws(() => applyEdit(state, { addTables: [tableOf(4)] }), { name: 'AssertionError' })
  t.throws(() => applyEdit(state, { addTables: [tableOf(15)] }), { name: 'AssertionError' })
  t.throws(() => applyEdit(state, { addTables: [overlapping], countsFile: 0 }), { name: 'AssertionError' })
  t.throws(() => applyEdit(state, { addLogs: [12] }), { name: 'AssertionError' })
})

t.test('whatever the manifest does not name is a leftover', async (t) => {
  const names = [
    'MANIFEST',
    'MANIFEST.tmp',
    '000003.log',
    '000012.log',
    '000002.log',
    '000004.table',
    '000005.table',
  ]
  const others = ['000014.counts', '000013.counts', 'lock', 'notes.txt']
  t.same(leftovers(goldenState(), [...names, ...others]), [
    'MANIFEST.tmp',
    '000002.log',
    '000005.table',
    '000013.counts',
  ])
})

t.test(
  'a loss of power between any two disk operations leaves the old manifest or the new one',
  async (t) => {
    const oldState = goldenState()
    const newState = applyEdit(oldState, { removeTables: [4, 9], addLogs: [15], nextFileNumber: 16 })
    let crashes = 0
    for (let at = 1; ; at++) {
      const disk = new MemoryDisk()
      Manifest.write(disk, DIRECTORY, oldState)
      const base = disk.operations
      disk.onOperation = (operation) => {
        if (operation === base + at) throw new PowerLoss()
      }
      const error = fails(() => Manifest.write(disk, DIRECTORY, newState))
      for (const found of mixtures(disk)) {
        const state = Manifest.load(found, DIRECTORY)
        const isOld = state?.nextFileNumber === oldState.nextFileNumber
        t.strictSame(state, isOld ? oldState : newState)
        if (error === null && isOld) t.fail('a manifest that was written is durable')
        crashes++
      }
      if (error === null) break
      t.ok(error instanceof PowerLoss)
    }
    t.ok(crashes > 12, `${crashes} crashes`)
  },
)

t.test('an error of the disk says whether the new manifest may be in force', async (t) => {
  const oldState = goldenState()
  const newState = applyEdit(oldState, { countsFile: 0 })
  const verdicts: string[] = []
  for (let at = 1; ; at++) {
    const disk = new MemoryDisk()
    Manifest.write(disk, DIRECTORY, oldState)
    const base = disk.operations
    disk.onOperation = (operation, name) => {
      if (operation !== base + at) return
      verdicts.push(name)
      throw diskError('ENOSPC', name)
    }
    const error = fails(() => Manifest.write(disk, DIRECTORY, newState))
    if (error === null) break
    if (!(error instanceof ManifestWriteError)) throw new Error('not a manifest error', { cause: error })
    t.equal(error.code, 'ENOSPC')
    verdicts.push(error.applied)
    disk.onOperation = () => {}
    if (error.applied === 'no') t.same(Manifest.load(disk, DIRECTORY), oldState)
    Manifest.write(disk, DIRECTORY, newState)
    t.same(Manifest.load(disk, DIRECTORY), newState, 'the next attempt works')
    t.equal(disk.openFiles, 0)
  }
  t.same(verdicts, [
    ...['open', 'no', 'truncate', 'no', 'write', 'no', 'sync', 'no'],
    ...['rename', 'unknown', 'sync-directory', 'unknown'],
  ])
})

/** Every disk that a loss of power may leave behind. */
function* mixtures(disk: MemoryDisk): Generator<MemoryDisk> {
  for (let kept = 0; kept < 2 ** disk.pendingNames; kept++) {
    for (const data of ['synced', 'all', 'torn'] as const) {
      yield disk.afterCrash((change) => (kept & (1 << change)) !== 0, data)
    }
  }
}

/** The bytes of a state, checksum and all, without asking whether the state makes sense. */
function encodeUnchecked(state: object): Buffer {
  const good = encodeManifest(emptyManifest(1)).toString()
  const body = `${JSON.stringify(state)}\n`
  return Buffer.from(good.replace(/xxh32 [^]*/, `xxh32 ${checksumOf(body)}\n${body}`))
}

function checksumOf(body: string): string {
  const bytes = Buffer.from(body)
  return (xxh32(bytes, 0, bytes.length, 0) >>> 0).toString(16).padStart(8, '0')
}
