import t from 'tap'
import {
  countsFileName,
  treesFileName,
  logFileName,
  parseFileName,
  pathOf,
  tableFileName,
} from '../../../src/storage/file-names.js'

t.test('numbers are padded to six digits and grow beyond them', async (t) => {
  t.equal(logFileName(12), '000012.log')
  t.equal(tableFileName(999999), '999999.table')
  t.equal(countsFileName(1234567), '1234567.counts')
  t.equal(treesFileName(14), '000014.trees')
  t.equal(pathOf('/data', logFileName(1)), '/data/000001.log')
  t.throws(() => logFileName(0), /positive/)
})

t.test('names are read back', async (t) => {
  t.same(parseFileName('000012.log'), { kind: 'log', fileNumber: 12 })
  t.same(parseFileName('1234567.table'), { kind: 'table', fileNumber: 1234567 })
  t.same(parseFileName('000014.counts'), { kind: 'counts', fileNumber: 14 })
  t.same(parseFileName('MANIFEST'), { kind: 'manifest' })
  t.same(parseFileName('MANIFEST.tmp'), { kind: 'manifest-temporary' })
})

t.test('a name that we would not write is none of ours', async (t) => {
  for (const name of [
    '12.log',
    '0000012.log',
    '000000.log',
    '000012.sst',
    'x000012.log',
    '000012.log~',
    'lock',
    '',
  ]) {
    t.equal(parseFileName(name), null, name)
  }
})
