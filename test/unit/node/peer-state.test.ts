import t from 'tap'
import type { Hello } from '../../../src/link/hello.js'
import { HELLO_STATE_BYTES_MAX } from '../../../src/link/limits.js'
import { openMemberList } from '../../../src/node/member-list.js'
import { decodePeerState, directoryIdOf, encodePeerState, judgePeer } from '../../../src/node/peer-state.js'
import type { PeerHelloState } from '../../../src/node/peer-state.js'
import { Ring } from '../../../src/ring/ring.js'
import { SimLog } from '../../../src/sim/sim-log.js'
import { emptyManifest, Manifest } from '../../../src/storage/manifest.js'
import { clusterOf } from '../../support/cluster-config.js'
import { membersOf } from '../../support/ring-members.js'
import { MemoryDisk } from '../storage/memory-disk.js'

const STATE: PeerHelloState = {
  name: 'node-2',
  list: 'ring 00 of 3 replicas: a, b',
  directoryId: '0123456789abcdef0123456789abcdef01234567',
  announceAddress: '10.0.0.2',
}

function ringOf(...names: string[]): Ring {
  return openMemberList(new MemoryDisk(), new SimLog(), '/data', clusterOf(names))
}

function hello(ring: Ring, of: Partial<Hello> = {}): Hello {
  const state = encodePeerState({ ...STATE, list: ring.describe() })
  return {
    nodeId: ring.members[0].id,
    bootId: 1,
    flushMark: 0,
    ringVersion: ring.version,
    hlc: 1,
    state,
    ...of,
  }
}

t.test('the state of a HELLO is read back as it was written', (t) => {
  t.same(decodePeerState(encodePeerState(STATE)), STATE)
  t.end()
})

t.test('a very long list is cut to what a HELLO takes', (t) => {
  const list = new Ring(membersOf(500), 3).describe()
  const bytes = encodePeerState({ ...STATE, list })
  t.ok(bytes.length <= HELLO_STATE_BYTES_MAX)
  t.match(decodePeerState(bytes)?.list, /^ring .*\.\.\.$/)
  t.end()
})

t.test('bytes that are no state are not taken for one', (t) => {
  const wrong = ['', 'x', 'null', '[]', '{}', JSON.stringify({ ...STATE, name: 5 })]
  wrong.push(JSON.stringify({ ...STATE, directoryId: 'x' }), JSON.stringify({ ...STATE, list: undefined }))
  for (const text of wrong) t.equal(decodePeerState(Buffer.from(text)), null, text)
  const odd = decodePeerState(encodePeerState({ ...STATE, name: 'a\nb\u001b[2J' }))
  t.notMatch(odd?.name, /[\n\u001b]/, 'nothing that would upset a log')
  t.end()
})

t.test('H2 a peer with the same list is taken', (t) => {
  t.equal(judgePeer(hello(ringOf('a', 'b', 'c')), ringOf('c', 'b', 'a')), null)
  t.end()
})

t.test('H2 a peer that was started with another list is refused with both lists named', (t) => {
  const [theirs, ours] = [ringOf('a', 'b', 'x'), ringOf('a', 'b', 'c')]
  const refusal = judgePeer(hello(theirs), ours)
  t.match(refusal, 'node-2 was started with another member list')
  t.match(refusal, theirs.describe())
  t.match(refusal, ours.describe())
  t.end()
})

t.test('H2 equal members with other vnodes are told apart, and how to mend it is said', (t) => {
  const members = ringOf('a', 'b', 'c').members
  const moved = members.map((member, i) => (i === 0 ? { ...member, vnodes: movedBy(member.vnodes) } : member))
  const [theirs, ours] = [new Ring(moved, 3), new Ring(members, 3)]
  t.match(judgePeer(hello(theirs), ours), /joined in another order: give both nodes the same file MEMBERS/)
  t.end()
})

function movedBy(vnodes: readonly number[]): readonly number[] {
  return vnodes.map((slot) => slot + 1)
}

t.test('H2 who is no member, or does not say what list it has, is refused', (t) => {
  const ring = ringOf('a', 'b', 'c')
  const stranger = 'f'.repeat(40)
  t.match(judgePeer(hello(ring, { nodeId: stranger }), ring), `(${stranger}) is no member`)
  t.match(judgePeer(hello(ring, { state: Buffer.alloc(0) }), ring), /does not say which member list it has$/)
  t.end()
})

t.test('a data directory keeps its id, and another directory has another', (t) => {
  const disk = new MemoryDisk()
  Manifest.write(disk, '/one', emptyManifest(1))
  Manifest.write(disk, '/two', emptyManifest(2))
  const id = directoryIdOf(disk, '/one')
  t.match(id, /^[0-9a-f]{40}$/)
  t.equal(directoryIdOf(disk, '/one'), id)
  t.not(directoryIdOf(disk, '/two'), id)
  t.end()
})
