/**
 * One command as data. Everything that anybody asks about a command comes from its row: the arity check, where the keys
 * are, COMMAND and COMMAND DOCS, ACL CAT, the HELP texts and the command list of the README. A row holds only what cannot
 * be derived; `registry.ts` derives the rest (implied categories, first/last/step) the way Redis does.
 *
 * Names, arity, flags, key specifications, tips and `since` are Redis 7.0's own, so that clients which read COMMAND see
 * no difference; summaries are ours. Several words in one text are separated by single spaces.
 */
export interface CommandRow {
  /** Lower case; for a subcommand its own word only ('list' of 'client|list'). */
  readonly name: string
  /** The arguments after the name, in the notation of `syntax.ts`; '' when there are none. */
  readonly syntax: string
  /** Arguments including the name (and the subcommand's name): exactly this many, or when negative at least -arity. */
  readonly arity: number
  readonly flags: string
  /** ACL categories beyond those that the flags imply. */
  readonly categories: string
  readonly keys?: readonly KeySpec[]
  /** Hints for proxies and cluster clients. */
  readonly tips?: string
  readonly group: CommandGroup
  /** The Redis version that has had it first. */
  readonly since: string
  readonly complexity: string
  readonly summary: string
  readonly deprecated?: { readonly since: string; readonly replacedBy: string }
  readonly docFlags?: string
  readonly subcommands?: readonly CommandRow[]
}

export type CommandGroup =
  'string' | 'bitmap' | 'generic' | 'connection' | 'server' | 'transactions' | 'scripting' | 'cluster'

/** Where keys stand among the arguments (0 is the command's name), and what the command does to them. */
export interface KeySpec {
  /** 'RO', 'RW', 'OW' or 'RM', then 'access', 'update', 'insert', 'delete', 'variable_flags'. */
  readonly flags: string
  readonly first: number
  /** Relative to `first`; negative counts from the last argument (-1 is the last). Default 0. */
  readonly last?: number
  /** Default 1. */
  readonly step?: number
  readonly note?: string
}
