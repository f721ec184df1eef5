import t from 'tap'
import {
  clusterTable,
  healthOf,
  isWhole,
  parseClusterStatus,
  repairText,
} from '../../../src/cli/cluster-status.js'
import type { ClusterStatus, MemberStatus } from '../../../src/cli/cluster-status.js'

function member(name: string, of: Partial<MemberStatus> = {}): MemberStatus {
  return {
    ...{
      name,
      id: 'f'.repeat(40),
      address: '127.0.0.1',
      port: 7001,
      smartPort: 8001,
      state: 'up',
      fitness: [],
    },
    ...{ primarySlots: 4096, homeSlots: 8192, replicaSlots: 16384 },
    ...of,
  }
}

t.test('the table has a line for every member as the asked node sees it', (t) => {
  const status: ClusterStatus = {
    node: 'a',
    members: [member('a'), member('b', { address: '::1', port: 7002, state: 'down', homeSlots: 0 })],
  }
  t.same(clusterTable(status), [
    'member     address         smart port  state  home of  primary of  copies of',
    'a (asked)  127.0.0.1:7001  8001        up     50.0 %   25.0 %      100.0 %',
    'b          [::1]:7002      8001        down   0.0 %    25.0 %      100.0 %',
  ])
  t.end()
})

t.test('keys, bytes and clocks are shown where any member has them', (t) => {
  const lines = clusterTable({
    node: 'a',
    members: [
      member('a', { keys: 5, bytes: 700 }),
      member('b', { clockOffsetMs: -1.26 }),
      member('c', { clockOffsetMs: null }),
    ],
  })
  t.match(lines[0], /copies of +keys +bytes +clock$/)
  t.match(lines[1], /100\.0 % +5 +700$/)
  t.match(lines[2], /100\.0 % +-1\.3 ms$/)
  t.end()
})

t.test('who holds whom down, and since when members run, is shown where it is known', (t) => {
  const lines = clusterTable({
    node: 'a',
    members: [
      member('a', { status: 'running', generation: Date.UTC(2026, 10, 21, 20, 28, 34) }),
      member('b', {
        state: 'down',
        failed: true,
        heldDownBy: ['a', 'c'],
        status: 'stopped',
        generation: 0,
      }),
      member('c', { heldDownBy: [], status: null, generation: null }),
    ],
  })
  t.match(lines[0], /copies of +held down by +started$/)
  t.match(lines[1], /^a \(asked\) .* up .* 100\.0 % +2026-11-21 20:28:34$/)
  t.match(lines[2], /^b .* failed, stopped in order .* a, c +1970-01-01 00:00:00$/)
  t.match(lines[3], /^c .* up .* 100\.0 %$/)
  t.equal(healthOf(member('b', { failed: true })), 'failed', 'others agree, though the asked node reaches it')
  t.end()
})

t.test('a member that is up but not fit is said to be, with why', (t) => {
  t.equal(healthOf(member('a')), 'up')
  t.equal(
    healthOf(member('a', { fitness: ['disk full', 'clock in doubt'] })),
    'up, unfit: disk full, clock in doubt',
  )
  t.end()
})

t.test('a cluster is whole when the asked node sees every member up', (t) => {
  t.ok(isWhole({ node: 'a', members: [member('a'), member('b')] }))
  t.notOk(isWhole({ node: 'a', members: [member('a'), member('b', { state: 'suspicious' })] }))
  t.end()
})

t.test('a node that answers KV.STATUS with an error is in no cluster', (t) => {
  const status = { node: 'a', members: [member('a')], repairs: 7 }
  t.same(parseClusterStatus(Buffer.from(JSON.stringify(status))), status)
  t.equal(parseClusterStatus(new Error('ERR unknown command')), null)
  t.equal(parseClusterStatus(undefined), null)
  t.end()
})

t.test('what is wrong with the ranges of the asked node is said in a line', (t) => {
  const whole = {
    ranges: 48,
    unjudgedRanges: 0,
    staleRanges: 0,
    staleReasons: [],
    rebuildPercent: -1,
    demandedRanges: 0,
  }
  t.equal(repairText(whole), 'in order')
  const stale = { ...whole, staleRanges: 48, staleReasons: ['wiped'] }
  t.equal(repairText(stale), '48 of 48 ranges stale (wiped): waits for a replica')
  t.equal(
    repairText({ ...stale, rebuildPercent: 40, demandedRanges: 3 }),
    '48 of 48 ranges stale (wiped): rebuilding, 40 %; KV.REPAIR: 3 exchanges left',
  )
  t.equal(repairText({ ...whole, unjudgedRanges: 2 }), '2 ranges not judged yet')
  t.end()
})
