import t from 'tap'
import { memberId } from '../../../src/node/cluster-lists.js'
import { MEMBERS_NAME } from '../../../src/node/member-list-file.js'
import { MemberListError, openMemberList } from '../../../src/node/member-list.js'
import type { ClusterConfig, ClusterMember } from '../../../src/node/node-config.js'
import type { Ring } from '../../../src/ring/ring.js'
import { SimLog } from '../../../src/sim/sim-log.js'
import { CorruptionError } from '../../../src/storage/corruption-error.js'
import { clusterOf } from '../../support/cluster-config.js'
import { diskError, MemoryDisk, PowerLoss } from '../storage/memory-disk.js'

const DIRECTORY = '/data'

function open(disk: MemoryDisk, cluster: ClusterConfig, log = new SimLog()): Ring {
  return openMemberList(disk, log, DIRECTORY, cluster)
}

function vnodesOf(ring: Ring): readonly (readonly [string, readonly number[]])[] {
  return ring.members.map(({ name, vnodes }) => [name, vnodes] as const)
}

function fails(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return null
}

t.test('H2 the configured members become the members of the ring, and the list is kept', (t) => {
  const [disk, log] = [new MemoryDisk(), new SimLog()]
  const ring = open(disk, clusterOf(['a', 'b', 'c']), log)
  t.same(ring.members.map(({ name }) => name).sort(), ['a', 'b', 'c'])
  t.equal(ring.replicas, 3)
  t.ok(ring.indexOf(memberId('b')) >= 0, 'under the ids that follow from their names')
  t.same(disk.list(DIRECTORY), [MEMBERS_NAME])
  t.match(log.of('member list made'), [{ level: 'info', facts: { list: ring.describe() } }])
  const again = open(disk, clusterOf(['c', 'a', 'b']), log)
  t.equal(again.version, ring.version)
  t.equal(log.lines.length, 1, 'an unchanged list is not worth a line')
  t.equal(disk.openFiles, 0)
  t.end()
})

t.test('H2 a new member joins the list that was kept; the others keep their vnodes', (t) => {
  // Ids decide in which order a bare list is placed, so some newcomer would come before the others there.
  let differently = 0
  for (const newcomer of ['d', 'e', 'f', 'g']) {
    const [disk, log] = [new MemoryDisk(), new SimLog()]
    const three = open(disk, clusterOf(['a', 'b', 'c']))
    const four = open(disk, clusterOf([newcomer, 'a', 'b', 'c']), log)
    t.same(
      vnodesOf(four).filter(([name]) => name !== newcomer),
      vnodesOf(three),
    )
    t.match(log.of('member list changed: no data has moved'), [
      { level: 'warn', facts: { before: three.describe(), now: four.describe() } },
    ])
    t.equal(open(disk, clusterOf(['a', 'b', 'c', newcomer])).version, four.version, 'which is kept in turn')
    if (open(new MemoryDisk(), clusterOf(['a', 'b', 'c', newcomer])).version !== four.version) differently++
  }
  t.ok(differently > 0, 'the bare list would have been placed otherwise')
  t.end()
})

t.test('H2 a list without a member that is kept is refused with both lists, and nothing is written', (t) => {
  const disk = new MemoryDisk()
  const kept = open(disk, clusterOf(['a', 'b', 'c']))
  const error = fails(() => open(disk, clusterOf(['a', 'b', 'x'])))
  t.ok(error instanceof MemberListError)
  t.match((error as Error).message, 'c is missing')
  t.match((error as Error).message, `Kept: ${kept.describe()}`)
  t.match((error as Error).message, /Configured: ring \w+ of 3 replicas: .*x \(/)
  t.equal(open(disk, clusterOf(['a', 'b', 'c'])).version, kept.version)
  t.end()
})

t.test('H2 another weight is refused, other labels are followed and said', (t) => {
  const [disk, log] = [new MemoryDisk(), new SimLog()]
  const kept = open(disk, clusterOf(['a', 'b', 'c']))
  const heavier = fails(() => open(disk, clusterOf(['a', 'b', { name: 'c', weight: 2 }])))
  t.match((heavier as Error).message, 'c had weight 1, not 2')
  const labelled = open(disk, clusterOf(['a', 'b', { name: 'c', rack: 'r2' }]), log)
  t.not(labelled.version, kept.version)
  t.same(vnodesOf(labelled), vnodesOf(kept))
  t.equal(log.of('member list changed: no data has moved').length, 1)
  const fewer = open(disk, { ...clusterOf(['a', 'b', { name: 'c', rack: 'r2' }]), replicas: 2 }, log)
  t.equal(fewer.replicas, 2)
  t.equal(log.of('member list changed: no data has moved').length, 2)
  t.end()
})

t.test('a loss of power while the list is written leaves the old one or the new one', (t) => {
  const [three, four] = [clusterOf(['a', 'b', 'c']), clusterOf(['a', 'b', 'c', 'd'])]
  let crashes = 0
  for (let at = 1; ; at++) {
    const disk = new MemoryDisk()
    const before = open(disk, three)
    const base = disk.operations
    disk.onOperation = (operation) => {
      if (operation === base + at) throw new PowerLoss()
    }
    const error = fails(() => open(disk, four))
    for (const found of mixtures(disk)) {
      const ring = open(found, four)
      t.same(
        vnodesOf(ring).filter(([name]) => name !== 'd'),
        vnodesOf(before),
      )
      if (error === null) t.notOk(grew(found, four), 'a list that was written is durable')
      crashes++
    }
    if (error === null) break
    t.ok(error instanceof PowerLoss)
  }
  t.ok(crashes > 6, `${crashes} crashes`)
  t.end()
})

/** What a machine may find after a crash now: any of the changes of names, and any part of the bytes. */
function* mixtures(disk: MemoryDisk): Generator<MemoryDisk> {
  for (let kept = 0; kept < 1 << disk.pendingNames; kept++) {
    for (const data of ['synced', 'all', 'torn'] as const) {
      yield disk.afterCrash((change) => (kept & (1 << change)) !== 0, data)
    }
  }
}

/** Whether a start says that the list is another one. */
function grew(disk: MemoryDisk, cluster: ClusterConfig): boolean {
  const log = new SimLog()
  open(disk, cluster, log)
  return log.lines.length > 0
}

t.test('errors of the disk are passed on, and the next start goes on from what is there', (t) => {
  for (let at = 1; ; at++) {
    const disk = new MemoryDisk()
    const before = open(disk, clusterOf(['a', 'b', 'c']))
    const base = disk.operations
    disk.onOperation = (operation, name) => {
      if (operation === base + at) throw diskError('EIO', name)
    }
    const error = fails(() => open(disk, clusterOf(['a', 'b', 'c', 'd'])))
    if (error === null) break
    t.match(error, { code: 'EIO' })
    t.equal(disk.openFiles, 0)
    disk.onOperation = () => {}
    const ring = open(disk, clusterOf(['a', 'b', 'c', 'd']))
    t.same(
      vnodesOf(ring).filter(([name]) => name !== 'd'),
      vnodesOf(before),
    )
  }
  t.end()
})

t.test('a list whose bytes are not what was written is refused with what to do', (t) => {
  const disk = new MemoryDisk()
  open(disk, clusterOf(['a', 'b', 'c']))
  const path = `${DIRECTORY}/${MEMBERS_NAME}`
  const whole = disk.contents(path)
  const damaged = (change: (bytes: Buffer) => Buffer) => {
    disk.put(path, change(Buffer.from(whole)))
    return fails(() => open(disk, clusterOf(['a', 'b', 'c'])))
  }
  for (let at = 0; at < whole.length; at += 7) {
    const error = damaged((bytes) => {
      bytes[at] ^= 1
      return bytes
    })
    if (!(error instanceof CorruptionError)) t.fail(`a flipped bit at ${at} is seen`)
  }
  t.match(
    damaged((bytes) => bytes.subarray(0, 100)),
    { message: /checksum.*Copy the file MEMBERS of another node/ },
  )
  t.match(
    damaged(() => Buffer.alloc(0)),
    { message: /does not begin as a member list does/ },
  )
  t.match(
    damaged((bytes) => Buffer.from(bytes.toString('latin1').replace('members 1 ', 'members 2 '), 'latin1')),
    {
      message: /format 2 is not known. It takes another version/,
    },
  )
  t.end()
})

t.test('MEMBERS names every part of a member', (t) => {
  const disk = new MemoryDisk()
  const member: Partial<ClusterMember> = { name: 'a', host: 'h', rack: 'r', datacenter: 'd', weight: 2 }
  const ring = open(disk, clusterOf([member]))
  const text = disk.contents(`${DIRECTORY}/${MEMBERS_NAME}`).toString()
  t.match(text, /^kindred-members 1 xxh32 [0-9a-f]{8}\n\{\n {2}"replicas": 3,\n/)
  t.same(JSON.parse(text.slice(text.indexOf('\n'))), { replicas: 3, members: ring.members })
  t.end()
})
