/** Whether two servers gave the same answer, apart from the written differences. */
import { REDIS_DIFFERENCES } from './redis-differences.js'
import type { ReplyClass } from './redis-differences.js'
import { frameEnd } from './resp-frames.js'

/** Longest time that may lie between the same command on the two servers. */
const TIME_TOLERANCE_MS = 60_000
const LF = 0x0a

const CLASSES = new Map<string, ReplyClass>(
  REDIS_DIFFERENCES.flatMap(({ commands, compared }) =>
    compared === undefined ? [] : commands.map((command): [string, ReplyClass] => [command, compared]),
  ),
)

/** `ours` and `theirs` are one reply each, to the same command, in the same protocol version. */
export function sameReply(command: readonly Buffer[], ours: Buffer, theirs: Buffer): boolean {
  if (ours.equals(theirs)) return true
  const name = command[0].toString('latin1').toLowerCase()
  const full = command.length > 1 ? `${name}|${command[1].toString('latin1').toLowerCase()}` : name
  switch (CLASSES.get(name) ?? CLASSES.get(full)) {
    case 'unordered':
      return sorted(ours).equals(sorted(theirs))
    case 'time':
      return sameTime(ours, theirs, name.startsWith('p') ? 1 : 1000)
    case 'some-key':
      return ours[0] === theirs[0] && ours[1] !== 0x2d && theirs[1] !== 0x2d
    case 'some-integer':
      return isInteger(ours) && isInteger(theirs)
    case undefined:
      return false
  }
}

function isInteger(reply: Buffer): boolean {
  return /^:\d+\r\n$/.test(reply.toString('latin1'))
}

function sameTime(ours: Buffer, theirs: Buffer, unitMs: number): boolean {
  if (!isInteger(ours) || !isInteger(theirs)) return false
  const difference = Number(ours.toString('latin1', 1)) - Number(theirs.toString('latin1', 1))
  return Math.abs(difference) * unitMs <= TIME_TOLERANCE_MS
}

/** The reply with the elements of each array in the order of their bytes; a SCAN reply's two parts stay in place. */
function sorted(reply: Buffer): Buffer {
  if (reply[0] !== 0x2a) return reply
  const head = reply.indexOf(LF) + 1
  const items: Buffer[] = []
  for (let at = head; at < reply.length;) {
    const end = frameEnd(reply, at)
    items.push(reply.subarray(at, end))
    at = end
  }
  if (items.length === 2 && items[1][0] === 0x2a)
    return Buffer.concat([reply.subarray(0, head), items[0], sorted(items[1])])
  return Buffer.concat([reply.subarray(0, head), ...items.sort(Buffer.compare)])
}
