import t from 'tap'
import { tableLines, warnOfCompression } from '../../../src/node/table-lines.js'
import { pathOf, tableFileName } from '../../../src/storage/file-names.js'
import { Manifest } from '../../../src/storage/manifest.js'
import { openTableFile } from '../../../src/storage/table/table-file.js'
import { DIRECTORY, StorageMachine, TINY } from '../../sim/storage-machine.js'

const KEYS = 400

async function filled(deepest: 'lz4' | 'zstd' | 'none', tables: 'lz4' | 'none'): Promise<StorageMachine> {
  const machine = StorageMachine.fromSeed('table lines', { ...TINY, compression: { tables, deepest } })
  await machine.start()
  for (let i = 0; i < KEYS; i++) {
    const key = Buffer.from(`key ${i}`)
    const value = Buffer.from(`{"cookie":{"maxAge":1800000,"path":"/"},"user":${i * 7919}}`)
    await machine.admission(1000)
    await machine.command([key], () => machine.keyspace.set(key, 0, key.length, value, 0, value.length, 0))
    await machine.settle()
  }
  await machine.rest()
  return machine
}

/** The methods by which the blocks of each level are compressed. */
function methods({ env: { disk } }: StorageMachine): Map<number, Set<number>> {
  const byLevel = new Map<number, Set<number>>()
  for (const { level, fileNumber } of Manifest.load(disk, DIRECTORY)?.tables ?? []) {
    const { index, file } = openTableFile(disk, pathOf(DIRECTORY, tableFileName(fileNumber)))
    const found = byLevel.get(level) ?? new Set<number>()
    const header = Buffer.alloc(16)
    for (let block = 0; block < index.blockCount; block++) {
      disk.readSync(file, header, 0, header.length, index.offset(block))
      found.add(header[14])
    }
    disk.close(file)
    byLevel.set(level, found)
  }
  return byLevel
}

t.test(
  'INFO says what tables take in memory and on disk, and how often the cache has what is wanted',
  async (t) => {
    const machine = await filled('lz4', 'lz4')
    const value = (name: string) =>
      Number(new Map<string, string | number>(tableLines(machine.store.facts())).get(name))
    t.ok(value('storage_table_entries') > 0)
    const perMillion = (value('storage_index_filter_bytes') * 1e6) / value('storage_table_entries')
    t.equal(value('storage_index_filter_bytes_per_million'), Math.round(perMillion))
    t.ok(value('storage_block_stored_bytes') < value('storage_block_bytes'))
    const ratio = value('storage_block_bytes') / value('storage_block_stored_bytes')
    t.ok(Math.abs(value('storage_compression_ratio') - ratio) < 0.01)
    for (let i = 0; i < KEYS; i++) await machine.get(`key ${i}`)
    const hits = value('storage_cache_hits')
    t.ok(hits > 0)
    t.equal(
      value('storage_cache_hit_rate'),
      Number((hits / (hits + value('storage_cache_misses'))).toFixed(4)),
    )
    await machine.stop()
  },
)

t.test('an empty store divides by nothing', async (t) => {
  const machine = StorageMachine.fromSeed('empty')
  await machine.start()
  const lines = new Map<string, string | number>(tableLines(machine.store.facts()))
  t.equal(lines.get('storage_index_filter_bytes_per_million'), 0)
  t.equal(lines.get('storage_compression_ratio'), '1.00')
  t.equal(lines.get('storage_cache_hit_rate'), '0.0000')
  await machine.stop()
})

t.test('fresh tables and those of the deepest level are compressed as the settings say', async (t) => {
  const machine = await filled('zstd', 'lz4')
  const levels = methods(machine)
  const deepest = Math.max(...levels.keys())
  t.ok(deepest > 0)
  t.ok(levels.get(deepest)?.has(2), 'the deepest level by Zstandard')
  for (const [level, found] of levels) if (level === 0) t.notOk(found.has(2), 'level 0 is not')
  const plain = await filled('none', 'none')
  for (const found of methods(plain).values()) t.strictSame([...found], [0])
  t.equal(plain.store.facts().blockBytes, plain.store.facts().storedBlockBytes)
  await plain.stop()
  await machine.stop()
})

t.test('with the binaries there is nothing to warn of', (t) => {
  const said: string[] = []
  const log = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (event: string) => void said.push(event),
  }
  warnOfCompression(log, { tables: 'lz4', deepest: 'zstd' })
  t.strictSame(said, [])
  t.end()
})
