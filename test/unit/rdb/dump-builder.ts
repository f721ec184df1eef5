/** Dumps made by hand: parts in, a file with its checksum out. */
import { Crc64 } from '../../../src/rdb/crc64.js'
import type { RdbItem } from '../../../src/rdb/rdb-reader.js'
import { RdbReader } from '../../../src/rdb/rdb-reader.js'

/** A string as Redis writes it when it neither compresses nor packs it. */
export function plain(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([length(bytes.length), bytes])
}

/** The shortest form of a length. */
export function length(count: number): Buffer {
  if (count < 64) return Buffer.of(count)
  if (count < 16_384) return Buffer.of(0x40 | (count >> 8), count & 0xff)
  const wide = Buffer.alloc(5, 0x80)
  wide.writeUInt32BE(count, 1)
  return wide
}

/** Header, parts, end and checksum. */
export function dump(parts: readonly Buffer[], format = '0010'): Buffer {
  const body = Buffer.concat([Buffer.from(`REDIS${format}`), ...parts, Buffer.of(255)])
  const crc = new Crc64()
  crc.add(body, 0, body.length)
  return Buffer.concat([body, Buffer.from(crc.hex, 'hex').reverse()])
}

/** A reader of `file` that is handed at most `pieceBytes` at a time. */
export function readerOf(
  file: Buffer,
  pieceBytes = file.length,
  onRead: (windowBytes: number) => void = () => {},
) {
  let at = 0
  return new RdbReader((into, from) => {
    onRead(into.length)
    const piece = file.subarray(at, at + Math.min(pieceBytes, into.length - from))
    into.set(piece, from)
    at += piece.length
    return piece.length
  }, file.length)
}

/** Every item, strings as text: [database, key, value, expireAtMs], others as [database, type]. */
export function itemsOf(reader: RdbReader): unknown[] {
  const items: unknown[] = []
  for (let item = reader.next(); item !== null; item = reader.next()) items.push(described(item))
  return items
}

function described(item: RdbItem): unknown {
  if (item.kind === 'other') return [item.database, item.type]
  const [key, value] = [item.key, item.value].map((bytes) => Buffer.from(bytes).toString('latin1'))
  return [item.database, key, value, item.expireAtMs]
}
