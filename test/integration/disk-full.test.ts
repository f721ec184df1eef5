/**
 * A disk that fills up: writes get an error, reads go on, and when there is room again writes do too, by themselves. What
 * was acknowledged is there in the end. The disk is a small tmpfs with a file in it that takes half of it.
 *
 * With disk-reserve the node stops before the disk is full. Without, the error comes from the disk, wherever it strikes:
 * in the log, in a flush, in a compaction, in the manifest.
 */
import { createHash } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KindredNode, SMALL_STORAGE } from '../support/kindred-node.js'
import { DISK_BYTES, SmallDisk } from '../support/small-disk.js'
import { until } from '../support/until.js'
import type { WireClient } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(300_000)

const VALUE_BYTES = 20_000
/** Far more than fits. */
const WRITES_MAX = 5_000

const skip = SmallDisk.skip()

for (const { reserve, appendfsync } of [
  { reserve: '6mb', appendfsync: 'always' },
  { reserve: '0', appendfsync: 'always' },
  { reserve: '0', appendfsync: 'everysec' },
]) {
  const title = `a full disk stops writes alone, until there is room (disk-reserve ${reserve}, ${appendfsync})`
  t.test(title, { skip }, async (t) => {
    const disk = new SmallDisk()
    t.teardown(() => disk.remove())
    const flags = [...SMALL_STORAGE, '--disk-reserve', reserve, '--appendfsync', appendfsync]
    const node = await KindredNode.start(t, { directory: join(disk.path, 'data'), flags })
    const writes = new Writes(node)
    t.match(await writes.untilRefused(), /^-(MISCONF|OOM) /)
    t.comment(`refused after ${writes.acknowledged.size} writes, ${disk.freeBytes} bytes were free`)
    await until('INFO to say so', async () => {
      await writes.one()
      return (await node.info()).get('aof_last_write_status') === 'err'
    })

    const reader = await node.open()
    t.equal(await reader.ask('GET', 'nothing'), '$-1\r\n')
    t.same(await missing(reader, writes.acknowledged), [], 'everything acknowledged can be read')
    // Compaction may have made a little room meanwhile.
    t.match(await writes.untilRefused(), /^-(MISCONF|OOM) /, 'writes are refused again, or still')

    rmSync(disk.filler)
    await until('writes to be taken again', () => writes.one())
    t.equal(await writes.untilRefused(200), null, 'and they go on')
    t.equal((await node.info()).get('aof_last_write_status'), 'ok')
    t.same(await missing(await node.open(), writes.acknowledged), [], 'after there was room again')

    await node.kill9()
    await node.startAgain()
    t.same(await missing(await node.open(), writes.acknowledged), [], 'after a restart')
    t.match(await node.stop(), { code: 0, error: '' })
  })
}

t.test('a node that is killed while its disk is full loses nothing acknowledged', { skip }, async (t) => {
  const disk = new SmallDisk()
  t.teardown(() => disk.remove())
  const flags = [...SMALL_STORAGE, '--disk-reserve', '0']
  const node = await KindredNode.start(t, { directory: join(disk.path, 'data'), flags })
  const writes = new Writes(node)
  t.match(await writes.untilRefused(), /^-(MISCONF|OOM) /)
  await node.kill9()
  const rest = join(disk.path, 'rest')
  t.throws(() => writeFileSync(rest, Buffer.alloc(DISK_BYTES)), { code: 'ENOSPC' })
  t.equal(disk.freeBytes, 0)

  // Nothing can be written, not even a manifest: it starts all the same.
  await node.startAgain()
  t.same(await missing(await node.open(), writes.acknowledged), [])
  t.match(await writes.untilRefused(), /^-MISCONF Errors writing to the AOF file: No space left on device/)
  rmSync(rest)
  rmSync(disk.filler)
  t.ok(await until('a write to be taken', () => writes.one()))
  t.same(await missing(await node.open(), writes.acknowledged), [])
})

/** Writes of one client, each key once; a new connection where the node has ended one without an answer. */
class Writes {
  readonly acknowledged = new Set<number>()
  readonly #node: KindredNode
  #client: WireClient | null = null
  #next = 0

  constructor(node: KindredNode) {
    this.#node = node
  }

  /** The error that a write was answered; null when none was in `count` of them. */
  async untilRefused(count = WRITES_MAX): Promise<string | null> {
    for (let i = 0; i < count; i++) {
      const reply = await this.#write()
      if (reply !== null && reply !== '+OK\r\n') return reply
    }
    return null
  }

  /** Whether one more write was acknowledged. */
  async one(): Promise<boolean> {
    return (await this.#write()) === '+OK\r\n'
  }

  /** The reply; null when the connection ended, so that nobody knows. */
  async #write(): Promise<string | null> {
    const number = this.#next++
    this.#client ??= await this.#node.open()
    await this.#client.send(requestOf(number))
    const reply = await this.#client.replyOrEnd()
    if (reply === null) this.#client = null
    if (reply?.toString() === '+OK\r\n') this.acknowledged.add(number)
    return reply === null ? null : reply.toString('latin1')
  }
}

/** Noise, which nothing compresses. */
function valueOf(number: number): Buffer {
  return createHash('shake256', { outputLength: VALUE_BYTES }).update(`value ${number}`).digest()
}

function requestOf(number: number): Buffer {
  const head = `*3\r\n$3\r\nSET\r\n$${String(number).length}\r\n${number}\r\n$${VALUE_BYTES}\r\n`
  return Buffer.concat([Buffer.from(head), valueOf(number), Buffer.from('\r\n')])
}

/** The acknowledged writes whose values are not there. */
async function missing(client: WireClient, numbers: ReadonlySet<number>): Promise<number[]> {
  const absent: number[] = []
  for (const number of numbers) {
    const value = await client.bulk('GET', number)
    if (value === null || !value.equals(valueOf(number))) absent.push(number)
  }
  client.close()
  return absent
}
