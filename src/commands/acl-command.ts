/**
 * ACL, as far as one all-powerful user makes sense: clients and dashboards ask who they are and which categories there
 * are. Rules cannot be changed, so the subcommands that would do it do not exist.
 */
import { secretDigest } from '../env/secret.js'
import { textOf } from './args.js'
import { DEFAULT_USER } from './authentication.js'
import { CATEGORIES } from './command.js'
import type { CommandRegistry } from './registry.js'
import { DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import { quote, refuseQuoting, refuseSubcommandSyntax } from './unknown-command.js'

const whoAmI: Handler = ({ reply }) => {
  reply.bulkText(DEFAULT_USER)
  return DONE
}

const users: Handler = (request) => writeTexts(request, [DEFAULT_USER])

const list: Handler = (request) => {
  const { requirePass } = request.node.settings
  const password = requirePass === '' ? 'nopass' : `#${secretDigest(requirePass)}`
  return writeTexts(request, [`user ${DEFAULT_USER} on ${password} ~* &* +@all`])
}

function categories(request: Request, registry: CommandRegistry): Outcome {
  if (request.argc === 2) return writeTexts(request, CATEGORIES)
  if (request.argc > 3) return refuseSubcommandSyntax(request)
  const category = textOf(request, 2).toLowerCase()
  if (!CATEGORIES.includes(category)) {
    const shown = quote(request.bytes, request.offsets, 2)
    return refuseQuoting(request.reply, `Unknown category '${shown}'`)
  }
  const commands = [...registry.everyCommand()].filter((command) => command.categories.includes(category))
  return writeTexts(
    request,
    commands.map((command) => command.name),
  )
}

function writeTexts({ reply }: Request, texts: readonly string[]): Outcome {
  reply.array(texts.length)
  for (const text of texts) reply.bulkText(text)
  return DONE
}

/** `registry` is asked when a request comes, as the registry itself is built from these handlers. */
export function aclHandlers(registry: () => CommandRegistry): Readonly<Record<string, Handler>> {
  return {
    'acl|cat': (request) => categories(request, registry()),
    'acl|list': list,
    'acl|users': users,
    'acl|whoami': whoAmI,
  }
}
