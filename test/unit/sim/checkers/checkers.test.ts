/** Each checker is shown histories that it has to accept, and ones that it must not. */
import t from 'tap'
import { conditional } from '../../../../src/sim/checkers/conditional.js'
import { convergence } from '../../../../src/sim/checkers/convergence.js'
import { honestErrors } from '../../../../src/sim/checkers/honest-errors.js'
import { resurrection } from '../../../../src/sim/checkers/resurrection.js'
import { sessions } from '../../../../src/sim/checkers/sessions.js'
import { siblings } from '../../../../src/sim/checkers/siblings.js'
import { tidiness } from '../../../../src/sim/checkers/tidiness.js'
import { writeOnce } from '../../../../src/sim/checkers/write-once.js'
import type { Operation } from '../../../../src/sim/run/history.js'
import type { SimReply } from '../../../../src/sim/sim-client.js'
import { complaints, evidence, operation, store } from './histories.js'

const NOT_APPLIED = '-NOREPLICAS Not enough good replicas to write.'
const UNKNOWN = '-UNCERTAIN it may have been applied'

t.test('write-once: what was acknowledged is read and held', async (t) => {
  const write = operation(1, [0, 10], { kind: 'set', key: 'once:1', value: 'v1' })
  const both = [store('node-1', { 'once:1': ['v1'] }), store('node-2', { 'once:1': ['v1'] })]
  const read = (reply: SimReply, more = {}) =>
    operation(2, [11, 12], { kind: 'get', key: 'once:1', reply, ...more })
  t.same(complaints(writeOnce, evidence([write, read('v1')], { stores: both })), [])
  t.same(complaints(writeOnce, evidence([write, read(null)], { stores: both })), ['not seen'])
  t.same(complaints(writeOnce, evidence([write, read(null, { level: 'ONE' })], { stores: both })), [])
  const early = operation(2, [5, 9], { kind: 'get', key: 'once:1', reply: null })
  t.same(
    complaints(writeOnce, evidence([write, early], { stores: both })),
    [],
    'a read under way may miss it',
  )
  const gone = [both[0], store('node-2', {})]
  t.same(complaints(writeOnce, evidence([write], { stores: gone })), ['node-2 does not hold it in the end'])
  const more = [both[0], store('node-2', { 'once:1': ['v1', 'v0'] })]
  t.same(complaints(writeOnce, evidence([write], { stores: more })), ['node-2 holds 2 values in the end'])
  const refused = { ...write, reply: NOT_APPLIED }
  t.same(complaints(writeOnce, evidence([refused, read(null)], { stores: gone })), [])
  const flush = operation(3, [20, 30], { kind: 'flush', key: '', family: 'flush' })
  t.same(complaints(writeOnce, evidence([write, flush], { stores: gone })), [], 'FLUSHALL may take it')
})

t.test('L5 write-once: a quorum read may miss what copies count for, the end may not', async (t) => {
  // Seed 519: with two replicas out of its reach the third made a copy on a node that is none, and the two answered a read.
  const isSloppy = true
  const write = operation(1, [0, 10], { kind: 'set', key: 'once:1', value: 'v1' })
  const read = operation(2, [11, 12], { kind: 'get', key: 'once:1', reply: null })
  const stores = [store('node-1', { 'once:1': ['v1'] }), store('node-2', { 'once:1': ['v1'] })]
  t.same(complaints(writeOnce, evidence([write, read], { stores })), ['not seen'])
  t.same(complaints(writeOnce, evidence([write, read], { stores, isSloppy })), [])
  const gone = [stores[0], store('node-2', {})]
  t.same(complaints(writeOnce, evidence([write, read], { stores: gone, isSloppy })), [
    'node-2 does not hold it in the end',
  ])
})

t.test('write-once: what a read at a quorum has shown stays, whatever was said of its write', async (t) => {
  const write = operation(1, [0, 10], { kind: 'set', key: 'once:1', value: 'v1', reply: UNKNOWN })
  const stores = [store('node-1', { 'once:1': ['v1'] }), store('node-2', { 'once:1': ['v1'] })]
  const read = (startMs: number, reply: SimReply, more = {}) =>
    operation(startMs, [startMs, startMs + 1], { kind: 'get', key: 'once:1', reply, ...more })
  const check = (...operations: readonly Operation[]) =>
    complaints(writeOnce, evidence(operations, { stores }))
  const nowhere = { stores: [store('node-1', {}), store('node-2', {})] }
  t.same(check(write, read(20, null), read(30, 'v1')), [])
  t.same(check(write, read(20, 'v1'), read(30, null)), ['not seen'])
  t.same(check({ ...write, level: 'ONE', reply: 'OK' }, read(20, 'v1'), read(30, null)), ['not seen'])
  t.same(check(write, read(20, 'v1', { level: 'ONE' }), read(30, null)), [], 'one replica has shown it')
  t.same(check(write, read(20, 'v1'), read(30, null, { level: 'ONE' })), [], 'one replica was asked')
  t.same(complaints(writeOnce, evidence([write], nowhere)), [])
  t.same(complaints(writeOnce, evidence([write, read(20, 'v1')], nowhere)), [
    'node-1 does not hold it in the end',
    'node-2 does not hold it in the end',
  ])
})

t.test('siblings: none lost, none back, none invented', async (t) => {
  const shown = (...values: string[]): SimReply => [
    ...['context', 'c', 'siblings'],
    values.map((value) => ['kind', 'value', 'value', value]),
  ]
  const first = operation(1, [0, 5], { kind: 'resolve', key: 'sib:1', value: 'v1' })
  const beside = operation(2, [1, 6], { kind: 'resolve', key: 'sib:1', value: 'v2' })
  const over = operation(3, [10, 15], { kind: 'resolve', key: 'sib:1', value: 'v3', seen: ['v1'] })
  const look = (...values: string[]) =>
    operation(9, [20, 21], { kind: 'look', key: 'sib:1', reply: shown(...values) })
  const all = [first, beside, over]
  t.same(complaints(siblings, evidence([...all, look('v3', 'v2')])), [])
  t.same(complaints(siblings, evidence([...all, look('v3')])), ['lost'])
  t.same(complaints(siblings, evidence([...all, look('v3', 'v2', 'v1')])), ['back'])
  t.same(complaints(siblings, evidence([...all, look('v3', 'v2', 'v7')])), ['invented v7'])
  const unknown = { ...over, reply: UNKNOWN }
  t.same(complaints(siblings, evidence([first, beside, unknown, look('v1', 'v2')])), [], 'it may have failed')
  t.same(complaints(siblings, evidence([first, beside, unknown, look('v3', 'v2')])), [], 'or not')
  const earlier = { ...look('v2', 'v3'), startMs: 17, endMs: 18 }
  t.same(complaints(siblings, evidence([first, beside, unknown, earlier, look('v2', 'v1')])), [
    'back',
    'lost',
  ])
  const held = (...values: string[]) => [store('node-1', { 'sib:1': values })]
  t.same(complaints(siblings, evidence(all, { stores: held('v3', 'v2') })), [])
  t.same(complaints(siblings, evidence(all, { stores: held('v3') })), ['lost'])
  t.same(complaints(siblings, evidence(all, { stores: held('v1', 'v2', 'v3') })), ['back'])
})

t.test('sessions: reads see what was acknowledged and do not go backwards', async (t) => {
  const key = 'reg:1'
  const first = operation(1, [0, 5], { kind: 'set', key, value: 'v1' })
  const second = operation(2, [10, 15], { kind: 'set', key, value: 'v2' })
  const read = (id: number, at: number, reply: SimReply, more = {}) =>
    operation(id, [at, at + 1], { kind: 'get', key, reply, ...more })
  const check = (...operations: Parameters<typeof evidence>[0]) => complaints(sessions, evidence(operations))
  t.same(check(first, second, read(3, 20, 'v2')), [])
  t.same(check(first, second, read(3, 20, 'v1')), ['stale'])
  t.same(check(first, second, read(3, 20, null)), ['stale', 'stale'])
  t.same(check(first, second, read(3, 20, 'v1', { level: 'ONE' })), [])
  t.same(check(first, read(3, 20, 'v9')), ['phantom'])
  const lost = { ...second, reply: UNKNOWN, endMs: Infinity }
  t.same(check(first, lost, read(3, 20, 'v1'), read(4, 30, 'v2')), [], 'it may take effect late')
  t.same(check(first, lost, read(3, 20, 'v2'), read(4, 30, 'v1')), ['backwards'])
  const pipelined = { startMs: 50, endMs: 60, connection: 7 }
  const own = { ...operation(5, [50, 60], { kind: 'set', key, value: 'v5' }), ...pipelined, place: 0 }
  const behind = { ...read(6, 50, 'v2'), ...pipelined, place: 1 }
  t.same(check(first, second, own, behind), ['stale'], 'R3 a GET behind a SET in a pipeline sees it')
  const swap = operation(7, [70, 75], { kind: 'swap', key: 'chain:1', value: 'v8', reply: 'v6' })
  const old = operation(8, [0, 5], { kind: 'swap', key: 'chain:1', value: 'v6', reply: null })
  const seen = operation(9, [60, 65], { kind: 'get', key: 'chain:1', reply: 'v7' })
  const between = operation(10, [30, 40], { kind: 'swap', key: 'chain:1', value: 'v7', reply: UNKNOWN })
  t.same(check(old, between, seen, swap), ['backwards'], 'a swap reads, too')
})

t.test('resurrection: deleted, expired and flushed values stay away, and none goes early', async (t) => {
  const check = (...operations: Parameters<typeof evidence>[0]) =>
    complaints(resurrection, evidence(operations))
  const set = operation(1, [0, 5], { kind: 'set', key: 'del:1', value: 'v1' })
  const del = operation(2, [10, 15], { kind: 'del', key: 'del:1', reply: 1 })
  const read = (key: string, at: number, reply: SimReply) =>
    operation(3, [at, at + 1], { kind: 'get', key, reply })
  t.same(check(set, del, read('del:1', 20, null)), [])
  t.same(check(set, del, read('del:1', 20, 'v1')), ['deleted and back'])
  t.same(check(set, { ...del, reply: 0 }), ['found nothing to delete'])
  t.same(check(set, { ...del, reply: UNKNOWN }, read('del:1', 20, 'v1')), [])
  const held = [store('node-1', { 'del:1': ['v1'] })]
  t.match(complaints(resurrection, evidence([set, del], { stores: held })), [/^deleted and held/])

  const short = operation(4, [100, 105], { kind: 'set', key: 'ttl:1', value: 'v2', ttlMs: 1000 })
  t.same(check(short, read('ttl:1', 900, 'v2'), read('ttl:1', 1200, null)), [])
  t.same(check(short, read('ttl:1', 1200, 'v2')), ['expired and back'])
  t.same(check(short, read('ttl:1', 900, null)), ['gone before its time'])
  const unknowing = (...operations: Parameters<typeof evidence>[0]) =>
    complaints(resurrection, evidence(operations, { timeless: new Set(operations.slice(1)) }))
  t.same(unknowing(short, read('ttl:1', 1200, 'v2')), [], 'T5 nobody could know what time it is')
  t.same(unknowing(short, read('ttl:1', 900, null)), [])
  const anyTime = evidence([short, read('ttl:1', 900, null), read('ttl:1', 1200, 'v2')], {
    timeless: new Set([short]),
  })
  t.same(complaints(resurrection, anyTime), [], 'T5 nor when it was written')
  const longer = operation(5, [500, 505], { kind: 'expire', key: 'ttl:1', ttlMs: 1000, reply: 1 })
  t.same(check(short, longer, read('ttl:1', 1400, 'v2')), [])
  t.same(check(short, longer, read('ttl:1', 1400, null)), ['gone before its time'])
  const maybe = { ...longer, reply: UNKNOWN }
  t.same(check(short, maybe, read('ttl:1', 1400, null), read('ttl:1', 1450, 'v2')), [])
  const kept = operation(6, [500, 505], { kind: 'persist', key: 'ttl:1', reply: 1 })
  t.same(check(short, kept, read('ttl:1', 99_000, null)), ['gone before its time'])

  const flush = operation(7, [50, 60], { kind: 'flush', key: '', family: 'flush' })
  const once = operation(8, [0, 5], { kind: 'set', key: 'once:1', value: 'v3' })
  t.same(check(once, flush, read('once:1', 70, 'v3')), ['flushed and back'])
  const after = operation(8, [55, 65], { kind: 'set', key: 'once:1', value: 'v3' })
  t.same(check(after, flush, read('once:1', 70, 'v3')), [])
})

t.test(
  'honest errors: nothing of what was refused is ever seen, and errors have their reasons',
  async (t) => {
    const refused = operation(1, [0, 5], { kind: 'set', key: 'reg:1', value: 'v1', reply: NOT_APPLIED })
    const read = operation(2, [10, 11], { kind: 'get', key: 'reg:1', reply: 'v1' })
    t.same(complaints(honestErrors, evidence([refused])), [])
    t.same(complaints(honestErrors, evidence([refused, read])), ['refused, and applied'])
    const unknown = { ...refused, reply: UNKNOWN }
    t.same(complaints(honestErrors, evidence([unknown, read])), [])
    const stores = [store('node-1', { 'reg:1': ['v1'] })]
    t.same(complaints(honestErrors, evidence([refused], { stores })), ['refused, and applied'])
    t.same(complaints(honestErrors, evidence([{ ...read, reply: 'v9' }])), ['invented'])
    const odd = { ...refused, reply: '-MISCONF Errors writing to the AOF file' }
    t.same(complaints(honestErrors, evidence([odd])), ['odd error'])
    t.same(complaints(honestErrors, evidence([odd], { disksFailed: true })), [])
    const internal = { ...refused, reply: '-ERR internal error: x' }
    t.same(complaints(honestErrors, evidence([internal], { disksFailed: true })), ['odd error'])
  },
)

t.test('conditional: no two acknowledged writes share a base', async (t) => {
  const check = (...operations: Parameters<typeof evidence>[0]) =>
    complaints(conditional, evidence(operations))
  const swap = (id: number, value: string, reply: SimReply) =>
    operation(id, [id * 10, id * 10 + 5], { kind: 'swap', key: 'chain:1', value, reply })
  t.same(check(swap(1, 'v1', null), swap(2, 'v2', 'v1'), swap(3, 'v3', 'v2')), [])
  t.same(check(swap(1, 'v1', null), swap(2, 'v2', 'v1'), swap(3, 'v3', 'v1')), ['one base'])
  const compared = operation(4, [40, 45], { kind: 'cas', key: 'chain:1', value: 'v4', seen: ['v1'] })
  t.same(check(swap(1, 'v1', null), swap(2, 'v2', 'v1'), compared), ['one base'])
  t.same(check(swap(1, 'v1', null), swap(2, 'v2', 'v1'), { ...compared, reply: null }), [])
  const nx = (id: number, reply: SimReply) =>
    operation(id, [id, id + 1], { kind: 'setnx', key: 'nx:1', value: `v${id}`, reply })
  t.same(check(nx(1, 1), nx(2, 0), nx(3, UNKNOWN)), [])
  t.same(check(nx(1, 1), nx(2, 1)), ['several SETNX won'])
  const incr = (id: number, reply: SimReply) =>
    operation(id, [id * 10, id * 10 + 5], { kind: 'incr', key: 'cnt:1', reply })
  const end = (value: string) => ({ stores: [store('node-1', { 'cnt:1': [value] })] })
  t.same(complaints(conditional, evidence([incr(1, 1), incr(2, 2)], end('2'))), [])
  t.same(complaints(conditional, evidence([incr(1, 1), incr(2, 1)], end('2'))), ['twice'])
  t.same(complaints(conditional, evidence([incr(1, 1), incr(2, 2)], end('1'))), ['lost'])
  t.same(complaints(conditional, evidence([incr(1, 1), incr(2, 2)], end('3'))), ['too many'])
})

t.test('convergence and tidiness: equal records, and nothing left behind', async (t) => {
  const one = store('node-1', { 'once:1': ['v1'] })
  const same = store('node-2', { 'once:1': ['v1'] })
  const other = store('node-2', { 'once:1': ['v2'] })
  t.same(complaints(convergence, evidence([], { stores: [one, same] })), [])
  t.same(complaints(convergence, evidence([], { stores: [one, other] })), ['replicas differ'])
  t.same(complaints(convergence, evidence([], { stores: [one, store('node-2', {})] })), ['replicas differ'])
  t.same(
    complaints(convergence, evidence([], { stores: [one, store('node-3', {})] })),
    [],
    'it is no replica',
  )
  t.same(complaints(convergence, evidence([], { stuck: ['no end'] })), ['no end'])
  t.same(complaints(tidiness, evidence([], { leaks: ['3 timers'], complaints: ['a bug'] })), [
    '3 timers',
    'a bug',
  ])
})
