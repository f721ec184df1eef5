/**
 * The hash slot of a key, exactly as every Redis Cluster client computes it: CRC16 (XMODEM: polynomial 0x1021, start 0,
 * most significant bit first) of the key, or of its {hash tag} when the first `{` is followed by a non-empty text and a
 * `}`, modulo 16384. Source: the Redis Cluster specification.
 */
export const SLOT_COUNT = 16384

const OPEN = 0x7b
const CLOSE = 0x7d

const CRC_TABLE = makeTable()

/** Slot of the key bytes[start, end), 0 to 16383. */
export function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0
  for (let i = start; i < end; i++) {
    const byte = bytes[i]
    if (byte === OPEN) return slotOfTagged(bytes, start, end, i)
    crc = ((crc << 8) & 0xffff) ^ CRC_TABLE[(crc >>> 8) ^ byte]
  }
  return crc & (SLOT_COUNT - 1)
}

function slotOfTagged(bytes: Uint8Array, start: number, end: number, open: number): number {
  for (let i = open + 1; i < end; i++) {
    if (bytes[i] !== CLOSE) continue
    return i === open + 1 ? crc16(bytes, start, end) : crc16(bytes, open + 1, i)
  }
  return crc16(bytes, start, end)
}

function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0
  for (let i = start; i < end; i++) crc = ((crc << 8) & 0xffff) ^ CRC_TABLE[(crc >>> 8) ^ bytes[i]]
  return crc & (SLOT_COUNT - 1)
}

function makeTable(): Uint16Array {
  const table = new Uint16Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    table[byte] = crc
  }
  return table
}
