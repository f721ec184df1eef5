import t from 'tap'
import { parseNodeArguments } from '../../../src/cli/node-arguments.js'
import { KNOBS, knobName } from '../../../src/node/config-schema.js'

t.test('every setting is a flag, with its value after a space or an equals sign', (t) => {
  for (const knob of KNOBS) {
    const name = knobName(knob)
    const expected = [{ path: knob.path, value: '1', where: `--${name}` }]
    t.same(parseNodeArguments([`--${name}`, '1']).settings, expected, name)
    t.same(parseNodeArguments([`--${name}=1`]).settings, expected, `${name}=`)
  }
  t.end()
})

t.test('a repeated flag adds to a list and replaces a single value', (t) => {
  const { settings } = parseNodeArguments([
    '--bind',
    '::1',
    '--port',
    '1',
    '--bind',
    '127.0.0.1',
    '--port',
    '2',
  ])
  t.same(
    settings.map(({ path, value }) => [path, value]),
    [
      ['bind', '::1 127.0.0.1'],
      ['port', '2'],
    ],
  )
  t.end()
})

t.test('values may start with a dash, but not be another flag', (t) => {
  t.same(parseNodeArguments(['--slowlog-log-slower-than', '-1']).settings[0].value, '-1')
  t.same(parseNodeArguments(['--dir', '--port', '7']).problems, [
    '--dir: needs a value',
    '7: not expected here; a configuration file is given with --config',
  ])
  t.same(parseNodeArguments(['--requirepass=--odd']).settings[0].value, '--odd')
  t.same(parseNodeArguments(['--port']).problems, ['--port: needs a value'])
  t.end()
})

t.test('all mistakes are listed, unknown flags with the nearest known one', (t) => {
  const { problems } = parseNodeArguments(['--prot', '1', '--appendsync=no', '-x', 'node.yaml', '--what'])
  t.same(problems, [
    '--prot: no such flag; did you mean --port?',
    '1: not expected here; a configuration file is given with --config',
    '--appendsync: no such flag; did you mean --appendfsync?',
    '-x: no such flag',
    'node.yaml: not expected here; a configuration file is given with --config',
    '--what: no such flag',
  ])
  t.end()
})

t.test('--nodes is a flag of up alone', (t) => {
  t.match(parseNodeArguments(['--nodes', '5', '--port', '1'], 'up'), {
    nodes: '5',
    problems: [],
    settings: { length: 1 },
  })
  t.same(parseNodeArguments(['--nodes', '5']).problems, [
    '--nodes: no such flag; did you mean --node?',
    '5: not expected here; a configuration file is given with --config',
  ])
  t.end()
})

t.test('--config and --help are not settings', (t) => {
  t.match(parseNodeArguments(['--config', 'f.yaml', '-h']), {
    settings: [],
    configFile: 'f.yaml',
    helpWanted: true,
    problems: [],
  })
  t.match(parseNodeArguments([]), { settings: [], configFile: undefined, helpWanted: false, problems: [] })
  t.end()
})
