/**
 * Random streams for whole servers: the data commands of random-commands.ts, and around them what a connection can do:
 * transactions, connection commands, unknown names, FLUSHALL. With `bulk` also values of up to 64 KB on keys of their own,
 * more of them than a small block cache holds.
 *
 * A stream is a list of steps. `compared` says how the two replies are compared; a step of EXEC knows the commands whose
 * replies its own reply is made of.
 */
import { randomCommands } from './random-commands.js'
import { sameReply } from './reply-comparison.js'
import { frameEnd } from './resp-frames.js'
import { Seeded } from './seeded.js'

export interface Step {
  readonly command: readonly Buffer[]
  /** EXEC: what was queued, in order. */
  readonly queued?: readonly (readonly Buffer[])[]
  /** Both servers have to answer something, which may differ. */
  readonly free?: boolean
}

export interface StreamOptions {
  /** Large values on this many further keys, 0 for none. */
  readonly bulkKeys?: number
  /** Commands to leave out. */
  readonly without?: (command: readonly Buffer[]) => boolean
}

const TRANSACTION_COMMANDS_MAX = 8
const BULK_BYTES_MAX = 64 * 1024
const LF = 0x0a
const ARRAY = 0x2a
const CURSOR_AT_END = Buffer.from('$1\r\n0\r\n')

/** At least `count` steps, the same ones for the same seed. */
export function serverStream(seed: number, count: number, options: StreamOptions = {}): Step[] {
  const random = new Seeded(seed)
  const data = randomCommands(seed, 4 * count)
  const { bulkKeys = 0, without = () => false } = options
  const next = (): readonly Buffer[] => {
    for (;;) {
      const isBulk = bulkKeys > 0 && random.chance(3)
      const command = isBulk ? bulkCommand(random, bulkKeys) : (data.next().value as Buffer[])
      if (!without(command)) return command
    }
  }
  const steps: Step[] = []
  while (steps.length < count) {
    if (random.chance(25)) steps.push(...transaction(random, next))
    else if (random.chance(20)) steps.push(connectionCommand(random))
    else if (random.chance(1500) && !without(words('FLUSHALL'))) steps.push({ command: words('FLUSHALL') })
    else steps.push({ command: next() })
  }
  return steps
}

/** Whether both replies are what one of the servers may answer for the other. */
export function sameStepReply(step: Step, ours: Buffer, theirs: Buffer): boolean {
  if (ours.equals(theirs) || step.free === true) return true
  if (step.queued === undefined) return sameOrPart(step.command, ours, theirs)
  const ourItems = items(ours)
  const theirItems = items(theirs)
  if (ourItems.length !== step.queued.length || theirItems.length !== ourItems.length) return false
  return step.queued.every((command, i) => sameOrPart(command, ourItems[i], theirItems[i]))
}

/** As sameReply(); but a SCAN that meets blocks on disk ends early, with a cursor and fewer keys, as it may. */
function sameOrPart(command: readonly Buffer[], ours: Buffer, theirs: Buffer): boolean {
  if (sameReply(command, ours, theirs)) return true
  if (!/^scan$/i.test(command[0].toString())) return false
  const [ourCursor, ourKeys] = items(ours)
  const [theirCursor, theirKeys] = items(theirs)
  if (ourKeys === undefined || theirKeys === undefined) return false
  if (ourCursor.equals(CURSOR_AT_END) || !theirCursor.equals(CURSOR_AT_END)) return false
  const all = new Set(items(theirKeys).map((key) => key.toString('latin1')))
  return items(ourKeys).every((key) => all.has(key.toString('latin1')))
}

function transaction(random: Seeded, next: () => readonly Buffer[]): Step[] {
  const queued = Array.from({ length: random.below(TRANSACTION_COMMANDS_MAX + 1) }, next)
  const steps: Step[] = [{ command: words('MULTI') }, ...queued.map((command) => ({ command }))]
  if (random.chance(15)) steps.push({ command: words('MULTI') })
  if (random.chance(15)) steps.push({ command: words('NOSUCHCOMMAND', 'x') })
  if (random.chance(6)) steps.push({ command: words('DISCARD') })
  else steps.push({ command: words('EXEC'), queued })
  return steps
}

function connectionCommand(random: Seeded): Step {
  return random.pick<() => Step>([
    () => ({ command: words('PING') }),
    () => ({ command: [...words('PING'), random.bytes(random.below(50))] }),
    () => ({ command: [...words('ECHO'), random.bytes(random.below(50))] }),
    () => ({ command: words('EXEC') }),
    () => ({ command: words('DISCARD') }),
    () => ({ command: words('UNWATCH') }),
    () => ({ command: words('SELECT', random.pick(['0', '0', '1', 'x'])) }),
    () => ({ command: words('CLIENT', 'SETNAME', random.pick(['me', '', 'not me'])) }),
    () => ({ command: words('CLIENT', 'GETNAME') }),
    () => ({ command: words('CLIENT', 'ID'), free: true }),
    () => ({ command: words('WAIT', '0', random.pick(['0', '10', '-1', 'x'])) }),
    () => ({ command: words('LASTSAVE'), free: true }),
    () => ({ command: words('COMMAND', 'COUNT'), free: true }),
    () => ({ command: words('COMMAND', 'GETKEYS', 'MSET', 'a', '1', 'b', '2') }),
    () => ({ command: words('NOSUCHCOMMAND', 'a'.repeat(random.below(300)), 'b') }),
    () => ({ command: words('CLIENT', 'NOSUCHSUBCOMMAND') }),
    () => ({ command: words('CLIENT') }),
    () => ({ command: words('HELLO', random.pick(['1', '4', 'x'])) }),
    () => ({ command: words('AUTH', 'x') }),
    () => ({ command: words('AUTH', 'default', 'x') }),
  ])()
}

/** Many keys, large and small values, read in whole and in part: mostly of blocks that are not in memory. */
function bulkCommand(random: Seeded, keys: number): readonly Buffer[] {
  const key = `bulk:${random.below(keys)}`
  return random.pick<() => readonly Buffer[]>([
    () => [...words('SET', key), bulkValue(random)],
    () => [...words('SET', key), bulkValue(random)],
    () => [
      ...words('SET', key),
      bulkValue(random),
      ...words('EX', String(500_000 + random.below(1000) * 100)),
    ],
    () => [...words('APPEND', key), random.bytes(random.below(20))],
    () => words('SETRANGE', key, String(random.below(1000)), 'here'),
    () => words('GET', key),
    () => words('GET', key),
    () => words('STRLEN', key),
    () => words('GETRANGE', key, '-20', '-1'),
    () => words('MGET', key, `bulk:${random.below(keys)}`, `bulk:${random.below(keys)}`),
    () => words('EXISTS', ...Array.from({ length: 6 }, () => `bulk:${random.below(keys)}`)),
    () => words('RENAME', key, `bulk:${random.below(keys)}`),
    () => words('COPY', key, `bulk:${random.below(keys)}`, 'REPLACE'),
    () => words('DEL', key),
    () => words('PERSIST', key),
    () => words('TTL', key),
  ])()
}

function bulkValue(random: Seeded): Buffer {
  const bytes = random.chance(2) ? random.below(200) : random.below(BULK_BYTES_MAX)
  return Buffer.alloc(bytes, random.bytes(1 + random.below(16)))
}

function items(reply: Buffer): Buffer[] {
  const found: Buffer[] = []
  if (reply[0] !== ARRAY) return found
  for (let at = reply.indexOf(LF) + 1; at < reply.length;) {
    const end = frameEnd(reply, at)
    found.push(reply.subarray(at, end))
    at = end
  }
  return found
}

function words(...texts: readonly string[]): Buffer[] {
  return texts.map((text) => Buffer.from(text))
}
