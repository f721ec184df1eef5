/** RESP on the wire, for tests: requests into bytes, reply bytes into one piece per reply (RESP2 and RESP3). */

const CRLF = '\r\n'
const LF = 0x0a

/** One request as a client sends it; argument i lies at bytes[offsets[2i], offsets[2i + 1]). */
export function encodeCommand(args: readonly Buffer[]): { bytes: Buffer; offsets: Int32Array } {
  const offsets = new Int32Array(args.length * 2)
  const head = Buffer.from(`*${args.length}${CRLF}`)
  const parts: Buffer[] = [head]
  let at = head.length
  for (const [index, arg] of args.entries()) {
    const size = Buffer.from(`$${arg.length}${CRLF}`)
    offsets[2 * index] = at + size.length
    offsets[2 * index + 1] = at + size.length + arg.length
    parts.push(size, arg, Buffer.from(CRLF))
    at += size.length + arg.length + CRLF.length
  }
  return { bytes: Buffer.concat(parts), offsets }
}

/** Where the reply that starts at `at` ends; -1 when it is not complete. */
export function frameEnd(bytes: Buffer, at: number): number {
  const lf = bytes.indexOf(LF, at)
  if (lf < 0) return -1
  const count = Number(bytes.toString('latin1', at + 1, lf - 1))
  switch (String.fromCharCode(bytes[at])) {
    case '$':
    case '=':
      return count < 0 ? lf + 1 : bounded(bytes, lf + 1 + count + CRLF.length)
    case '*':
    case '~':
    case '>':
      return itemsEnd(bytes, lf + 1, count)
    case '%':
      return itemsEnd(bytes, lf + 1, 2 * count)
    default:
      return lf + 1
  }
}

function itemsEnd(bytes: Buffer, at: number, items: number): number {
  for (let item = 0; item < items && at >= 0; item++) at = frameEnd(bytes, at)
  return at
}

function bounded(bytes: Buffer, end: number): number {
  return end <= bytes.length ? end : -1
}
