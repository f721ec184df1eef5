/** When a node has keys: asked for them itself, again and again, each until it is there. */
import { setTimeout as sleep } from 'node:timers/promises'
import { RespClient } from '../servers/resp-client.js'
import type { Address } from '../servers/resp-client.js'

const KEYS_AT_ONCE = 500
const ASK_AGAIN_MS = 50

export interface HeldOptions {
  readonly address: Address
  /** Sent first, so that the node answers from what it has itself. */
  readonly prologue: readonly string[]
  readonly keys: readonly string[]
  readonly limitMs: number
}

/** Milliseconds until the node has had each of the keys, also when it does not serve yet; Infinity when not within the limit. */
export async function untilHeld({ address, prologue, keys, limitMs }: HeldOptions): Promise<number> {
  const began = performance.now()
  let missing = keys
  while (missing.length > 0) {
    if (performance.now() - began > limitMs) return Infinity
    missing = await missingOf(address, prologue, missing).catch(() => missing)
    if (missing.length > 0) await sleep(ASK_AGAIN_MS)
  }
  return performance.now() - began
}

async function missingOf(
  address: Address,
  prologue: readonly string[],
  keys: readonly string[],
): Promise<string[]> {
  const client = await RespClient.connect(address)
  try {
    const prepared = await client.call(...prologue)
    if (prepared instanceof Error) throw prepared
    const missing: string[] = []
    for (let first = 0; first < keys.length; first += KEYS_AT_ONCE) {
      const part = keys.slice(first, first + KEYS_AT_ONCE)
      const replies = await Promise.all(part.map((key) => client.call('GET', key)))
      for (const [i, reply] of replies.entries()) if (!Buffer.isBuffer(reply)) missing.push(part[i])
    }
    return missing
  } finally {
    client.close()
  }
}
