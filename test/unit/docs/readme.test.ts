import { readFileSync } from 'node:fs'
import t from 'tap'
import { renderCommandList } from '../../../src/commands/command-list.js'
import { COMMAND_ROWS } from '../../../src/commands/command-table.js'
import { STORE_ERROR_TEXTS } from '../../../src/server/error-text.js'

const README = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8')

void t.test("the README's list of commands is the command table's", (t) => {
  const list = /<!-- commands -->\n([\s\S]*)<!-- \/commands -->/.exec(README)?.[1]
  t.equal(list?.trim(), renderCommandList(COMMAND_ROWS).trim())
  t.end()
})

void t.test('the README names the error of every way in which the store refuses a write', (t) => {
  for (const [code, text] of Object.entries(STORE_ERROR_TEXTS)) {
    if (code === 'too-large') continue
    t.ok(README.includes(text), `${code}: ${text}`)
  }
  t.end()
})

void t.test('every test that the README calls a witness exists', async (t) => {
  const { existsSync } = await import('node:fs')
  const paths = new Set([...README.matchAll(/test\/[\w/.-]+/g)].map(([path]) => path.replace(/\.$/, '')))
  for (const path of paths) t.ok(existsSync(new URL(`../../../../${path}`, import.meta.url)), path)
})
