/**
 * INFO: which sections were asked for, and the text of each. Names of sections may be mixed with the collective ones
 * (`default`, `all`, `everything`); unknown ones are skipped, each section is printed once and in the fixed order.
 */
import { textOf } from './args.js'
import { INFO_SECTIONS } from './info-sections.js'
import type { InfoSection } from './info-sections.js'
import type { NodeServices } from './node-services.js'
import { DONE } from './request.js'
import type { Handler } from './request.js'
import type { Listener } from './session.js'

export const info: Handler = (request) => {
  const asked = new Set<string>()
  for (let i = 1; i < request.argc; i++) asked.add(textOf(request, i).toLowerCase())
  if (asked.size === 0) asked.add('default')
  request.reply.verbatim('txt', infoText(request.node, request.session.listener, asked))
  return DONE
}

/** The sections of these names, a blank line between them; '' when there are none. */
export function infoText(node: NodeServices, listener: Listener, asked: ReadonlySet<string>): string {
  return INFO_SECTIONS.filter((section) => isAsked(section, asked))
    .map((section) => sectionText(section, node, listener))
    .join('\r\n')
}

function isAsked(section: InfoSection, asked: ReadonlySet<string>): boolean {
  return asked.has('everything') || asked.has(section.name) || section.in.some((name) => asked.has(name))
}

function sectionText(section: InfoSection, node: NodeServices, listener: Listener): string {
  let text = `# ${section.title}\r\n`
  for (const [name, value] of section.facts(node, listener)) text += `${name}:${value}\r\n`
  return text
}
