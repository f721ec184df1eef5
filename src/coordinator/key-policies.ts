/**
 * What holds for a key besides the settings of the node: how conflicting versions are resolved and at which levels it is
 * read and written, by the longest configured prefix of the key. The default holds for keys without one.
 *
 * Every request asks, so prefixes lie in a byte trie of typed arrays: a lookup follows the key's bytes as far as any prefix
 * goes, makes nothing, and without policies ends at the first byte. A node of the trie has its children in a list (first
 * child, next sibling): prefixes that operators write share beginnings and rarely branch.
 */
import type { MergePolicy } from '../record/merge.js'
import { assert } from '../util/assert.js'
import type { Level } from './consistency.js'

/** The most prefixes that are taken; the trie is bounded by this and the length of each. */
export const POLICIES_MAX = 1024
export const PREFIX_LENGTH_MAX = 512

export interface KeyPolicy {
  /** `siblings` keeps concurrent versions until a writer resolves them, `lww` keeps the one stamped last. */
  readonly conflicts: MergePolicy
  /** Null: what the connection or the node says. */
  readonly read: Level | null
  readonly write: Level | null
}

export interface PrefixPolicy extends KeyPolicy {
  /** As text; keys are compared with its UTF-8. Empty: every key that no other prefix fits. */
  readonly prefix: string
}

export const DEFAULT_POLICY: KeyPolicy = { conflicts: 'siblings', read: null, write: null }

const ROOT = 0
const NONE = -1

export class KeyPolicies {
  /** By number; 0 is the default. */
  readonly #policies: KeyPolicy[] = [DEFAULT_POLICY]
  /** By node of the trie. */
  readonly #byte: Uint8Array
  readonly #firstChild: Int32Array
  readonly #nextSibling: Int32Array
  readonly #policyAt: Int16Array
  #nodes = 1

  /** @param policies prefixes all different, POLICIES_MAX at most. */
  constructor(policies: readonly PrefixPolicy[]) {
    assert(policies.length <= POLICIES_MAX, 'policies are bounded')
    const prefixes = policies.map(({ prefix }) => new TextEncoder().encode(prefix))
    const nodesMax = prefixes.reduce((sum, prefix) => sum + prefix.length, 1)
    this.#byte = new Uint8Array(nodesMax)
    this.#firstChild = new Int32Array(nodesMax).fill(NONE)
    this.#nextSibling = new Int32Array(nodesMax).fill(NONE)
    this.#policyAt = new Int16Array(nodesMax).fill(NONE)
    this.#policyAt[ROOT] = 0
    policies.forEach(({ conflicts, read, write }, i) => {
      const node = this.#place(prefixes[i])
      assert(this.#policyAt[node] <= 0, 'a prefix has one policy')
      this.#policyAt[node] = this.#policies.push({ conflicts, read, write }) - 1
    })
  }

  /** The policy of the key bytes[start, end): one of the objects made at the start, the same for equal keys. */
  of(bytes: Uint8Array, start: number, end: number): KeyPolicy {
    let policy = this.#policyAt[ROOT]
    let node = ROOT
    for (let at = start; at < end; at++) {
      node = this.#childOf(node, bytes[at])
      if (node === NONE) break
      if (this.#policyAt[node] !== NONE) policy = this.#policyAt[node]
    }
    return this.#policies[policy]
  }

  #childOf(parent: number, byte: number): number {
    let child = this.#firstChild[parent]
    while (child !== NONE && this.#byte[child] !== byte) child = this.#nextSibling[child]
    return child
  }

  /** The node where the prefix ends, made with its way where it is not there. */
  #place(prefix: Uint8Array): number {
    let node = ROOT
    for (const byte of prefix) {
      const known = this.#childOf(node, byte)
      node = known === NONE ? this.#addChild(node, byte) : known
    }
    return node
  }

  #addChild(parent: number, byte: number): number {
    const child = this.#nodes++
    this.#byte[child] = byte
    this.#nextSibling[child] = this.#firstChild[parent]
    this.#firstChild[parent] = child
    return child
  }
}
