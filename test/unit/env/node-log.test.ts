/** What an operator's tools read, and that a log which cannot be written harms nobody. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { NodeLog } from '../../../src/env/node-log.js'
import type { LogLevel } from '../../../src/env/node-log.js'

function logTo(t: Test, level: LogLevel): { log: NodeLog; lines: () => unknown[] } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'kindred-log-'))
  const name = path.join(directory, 'log')
  const file = fs.openSync(name, 'a')
  t.teardown(() => {
    fs.closeSync(file)
    fs.rmSync(directory, { recursive: true })
  })
  const lines = (): unknown[] =>
    fs
      .readFileSync(name, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line))
  return { log: new NodeLog(level, file), lines }
}

t.test('an event is one JSON line with level, time, event and its facts, written at once', async (t) => {
  const { log, lines } = logTo(t, 'info')
  log.warn('disk-full', { freeBytes: 12, path: '/data', since: undefined })
  t.match(lines(), [
    { level: 'warn', event: 'disk-full', freeBytes: 12, path: '/data', time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ },
  ])
  t.same(Object.keys(Object(lines()[0])).sort(), ['event', 'freeBytes', 'level', 'path', 'time'])
})

t.test('events below the level are left out, and the level can change', async (t) => {
  const { log, lines } = logTo(t, 'warn')
  const all = (): void => {
    log.debug('debug')
    log.info('info')
    log.warn('warn')
    log.error('error')
  }
  all()
  log.setLevel('debug')
  all()
  log.setLevel('silent')
  all()
  const events = lines().map((line) => Object(line).event)
  t.same(events, ['warn', 'error', 'debug', 'info', 'warn', 'error'])
})

t.test(
  'a log on a full disk drops lines and counts them',
  { skip: !fs.existsSync('/dev/full') },
  async (t) => {
    const file = fs.openSync('/dev/full', 'w')
    t.teardown(() => fs.closeSync(file))
    const log = new NodeLog('info', file)
    log.info('one')
    log.info('two')
    t.equal(log.droppedLines, 2)
  },
)
