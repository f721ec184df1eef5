/**
 * The one law of the simulated disk, over random programs: whatever the crash, bytes and names that a sync covered and
 * that nothing touched since are there, and every byte that is there was written to that place once or is zero.
 */
import t from 'tap'
import { SimEnv } from '../../../src/sim/sim-env.js'
import type { SimDisk } from '../../../src/sim/sim-disk.js'
import { SimRandom } from '../../../src/sim/sim-random.js'

const SEEDS = 300
const STEPS = 60
const FILE_BYTES = 6_000
const NAMES = ['a', 'b', 'c']

/** What must and what may be in one file, byte by byte. */
class FileModel {
  /** For each position all values that a crash may leave there; exactly one when it is durable. */
  possible: Set<number>[] = []
  live: number[] = []
  sizes = new Set<number>([0])

  write(position: number, bytes: Uint8Array): void {
    while (this.possible.length < position + bytes.length) this.possible.push(new Set([0]))
    while (this.live.length < position + bytes.length) this.live.push(0)
    bytes.forEach((byte, i) => {
      this.possible[position + i].add(byte)
      this.live[position + i] = byte
    })
    this.sizes.add(this.live.length)
  }

  sync(): void {
    this.possible = this.live.map((byte) => new Set([byte]))
    this.sizes = new Set([this.live.length])
  }

  /** Why these contents are impossible, or undefined. */
  objection(bytes: Uint8Array): string | undefined {
    if (!this.sizes.has(bytes.length)) return `size ${bytes.length} is none of ${[...this.sizes].join()}`
    const wrong = bytes.findIndex((byte, at) => !this.possible[at].has(byte))
    return wrong < 0 ? undefined : `byte ${wrong} cannot be ${bytes[wrong]}`
  }
}

function contentOf(disk: SimDisk, name: string): Uint8Array {
  const file = disk.open(name, 'read')
  const bytes = new Uint8Array(disk.sizeBytes(file))
  disk.readSync(file, bytes, 0, bytes.length, 0)
  disk.close(file)
  return bytes
}

/** Runs a random program, then crashes; returns what broke the law. */
function run(seed: number): string | undefined {
  const { disk, random } = SimEnv.fromSeed(seed)
  const models = new Map(NAMES.map((name) => [name, new FileModel()]))
  const durableNames = new Set<string>()
  for (let step = 0; step < STEPS; step++) {
    const name = random.pick(NAMES)
    const model = models.get(name) ?? new FileModel()
    const file = disk.open(name, 'create')
    if (random.chance(0.2)) {
      disk.syncSync(file)
      model.sync()
    } else if (random.chance(0.1)) {
      disk.syncDirectory('/')
      for (const present of disk.list('/')) durableNames.add(present)
    } else {
      const bytes = new Uint8Array(random.between(1, 1_500)).fill(random.between(1, 255))
      const position = random.below(FILE_BYTES)
      disk.writeSync(file, bytes, 0, bytes.length, position)
      model.write(position, bytes)
    }
    disk.close(file)
  }
  disk.crash('random', new SimRandom(seed).fork('crash'))
  for (const name of durableNames) if (!disk.exists(name)) return `${name} is missing`
  for (const name of disk.list('/')) {
    const objection = models.get(name)?.objection(contentOf(disk, name))
    if (objection !== undefined) return `${name}: ${objection}`
  }
  return undefined
}

t.test('no crash takes what was synced or invents what was never written', async (t) => {
  for (let seed = 0; seed < SEEDS; seed++) t.equal(run(seed), undefined, `seed ${seed}`)
})
