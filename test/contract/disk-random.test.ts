/**
 * The same random operations on the real and the simulated disk: results and error codes must be equal, step by step.
 * The suite in disk.test.ts says what a disk does; this finds what nobody thought of saying.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { Disk } from '../../src/env/disk.js'
import { NodeDisk } from '../../src/env/node-disk.js'
import { SimEnv } from '../../src/sim/sim-env.js'
import { xxh32 } from '../../src/util/xxhash.js'
import { SimRandom } from '../../src/sim/sim-random.js'

const SEEDS = 40
const STEPS = 150
const BYTES_MAX = 10_000
const NO_FILE = 999_999
const PATHS = ['a', 'b', 'c', 'd', 'd/a', 'd/b', 'e/f', 'e/f/a', 'e']
const MODES = ['read', 'write', 'create'] as const

/** One disk under test: `files` holds its handles in the order of opening, closed ones included. */
interface Side {
  readonly disk: Disk
  readonly root: string
  readonly files: number[]
}

type Step = (side: Side) => unknown

/** Draws a step; the same one is then taken on both sides. */
function drawStep(random: SimRandom): Step {
  const name = random.pick(PATHS)
  const other = random.pick(PATHS)
  const mode = random.pick(MODES)
  const position = random.below(BYTES_MAX)
  const bytes = Buffer.alloc(random.below(BYTES_MAX), random.below(256))
  const nth = random.below(1_000)
  const fileOf = ({ files }: Side): number => files[nth % files.length] ?? NO_FILE
  const steps: Record<string, Step> = {
    open: (side) => openFile(side, name, mode),
    create: (side) => openFile(side, name, 'create'),
    close: (side) => side.disk.close(fileOf(side)),
    write: (side) => side.disk.writeSync(fileOf(side), bytes, 0, bytes.length, position),
    read: (side) => readHash(side.disk, fileOf(side), position, bytes.length),
    readAll: (side) => readHash(side.disk, fileOf(side), 0, 4 * BYTES_MAX),
    size: (side) => side.disk.sizeBytes(fileOf(side)),
    sync: (side) => side.disk.syncSync(fileOf(side)),
    truncate: (side) => side.disk.truncate(fileOf(side), position),
    rename: ({ disk, root }) => disk.rename(`${root}/${name}`, `${root}/${other}`),
    unlink: ({ disk, root }) => disk.unlink(`${root}/${name}`),
    exists: ({ disk, root }) => disk.exists(`${root}/${name}`),
    list: ({ disk, root }) => disk.list(`${root}/${name}`).sort(),
    makeDirectory: ({ disk, root }) => disk.makeDirectory(`${root}/${name}`),
    syncDirectory: ({ disk, root }) => disk.syncDirectory(`${root}/${name}`),
  }
  return steps[random.pick(Object.keys(steps))]
}

/** The real disk also opens folders for reading, which is of no use to anybody. */
function openFile({ disk, root, files }: Side, name: string, mode: (typeof MODES)[number]): void {
  const isFolder =
    outcomeOf(({ disk }) => disk.list(`${root}/${name}`), { disk, root, files }) instanceof Array
  files.push(disk.open(`${root}/${name}`, isFolder ? 'write' : mode))
}

function readHash(disk: Disk, file: number, position: number, length: number): string {
  const into = Buffer.alloc(length)
  const bytes = disk.readSync(file, into, 0, length, position)
  return `${bytes} bytes, hash ${xxh32(into, 0, bytes, 0)}`
}

function outcomeOf(step: Step, side: Side): unknown {
  try {
    return step(side)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return `error ${String(error.code)}`
    throw error
  }
}

/** The real kernel gives closed numbers to later files, so a closed one is never used again here. */
function forgetClosed(sides: readonly Side[]): void {
  for (const { files, disk } of sides) {
    for (const file of files.splice(0)) {
      try {
        disk.sizeBytes(file)
        files.push(file)
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EBADF')) throw error
      }
    }
  }
}

/** Runs one seed; returns the number of errors that both gave, or where the two went apart. */
function compare(seed: number, sides: readonly Side[]): number | string {
  const random = new SimRandom(seed)
  let errors = 0
  for (const { disk, root } of sides) disk.makeDirectory(root)
  for (let i = 0; i < STEPS; i++) {
    const step = drawStep(random)
    const [expected, actual] = sides.map((side) => outcomeOf(step, side))
    if (!isDeepStrictEqual(actual, expected)) {
      return `seed ${seed}, step ${i}, ${String(step)}: ${String(actual)} instead of ${String(expected)}`
    }
    if (String(expected).startsWith('error')) errors++
    forgetClosed(sides)
  }
  return errors
}

t.test('random operations give the same results on both disks', async (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'kindred-disk-random-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  for (let seed = 0; seed < SEEDS; seed++) {
    const real: Side = { disk: new NodeDisk(), root: path.join(directory, `${seed}`), files: [] }
    const simulated: Side = { disk: SimEnv.fromSeed(seed).disk, root: '/data', files: [] }
    const errors = compare(seed, [real, simulated])
    t.ok(typeof errors === 'number' && errors > 0, `${errors}`)
    for (const file of real.files) real.disk.close(file)
  }
})
