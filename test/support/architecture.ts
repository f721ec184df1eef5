/**
 * The rules about src/ that a compiler does not check: which folder may import which, no import cycles, time, randomness
 * and I/O only in env/, third parties behind one file each, and a paragraph at the top of every file. Run by its test and
 * by `npm run check`. Reads syntax trees: a regular expression would trip over comments and strings.
 *
 * For the direction between folders type-only imports count as well: a type that lies to the right is a dependency on
 * it all the same. For cycles among files they do not: they are gone at run time, and two types of one folder may well
 * know each other (a connection and its dispatcher).
 */
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

export interface Source {
  /** From the root of the repository, with slashes: src/ring/slot.ts. */
  readonly path: string
  readonly text: string
}

export interface Violation {
  readonly path: string
  readonly line: number
  readonly rule: 'layer' | 'cycle' | 'ban' | 'third-party' | 'header'
  readonly message: string
}

/** A folder may import itself and every folder before it. */
const LAYERS = [
  'util',
  'env',
  'record',
  'ring',
  'resp',
  'rdb',
  'storage',
  'membership',
  'link',
  'coordinator',
  'repair',
  'commands',
  'server',
  'node',
  'cli',
]
/** May import every layer; nothing may import it. */
const SIMULATION = 'sim'

const BANNED_MODULES = new Set([
  'child_process',
  'crypto',
  'dgram',
  'dns',
  'fs',
  'http',
  'http2',
  'https',
  'net',
  'perf_hooks',
  'timers',
  'tls',
  'worker_threads',
])
const BANNED_GLOBALS = new Set(['performance', 'setImmediate', 'setInterval', 'setTimeout'])
const BANNED_PROPERTIES = new Set([
  'crypto.getRandomValues',
  'crypto.randomUUID',
  'Date.now',
  'Math.random',
  'process.hrtime',
])
const HEADER_CHARACTERS_MIN = 10

/** All TypeScript files below src/. */
export function readSources(root: string): Source[] {
  return fs
    .readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.posix.join('src', ...name.split(path.sep)))
    .sort()
    .map((name) => ({ path: name, text: fs.readFileSync(path.join(root, name), 'utf8') }))
}

/** Every breach of the rules, ordered by path within a rule. */
export function checkArchitecture(sources: readonly Source[]): Violation[] {
  const files = sources.map(
    (source) =>
      new ParsedFile(source, ts.createSourceFile(source.path, source.text, ts.ScriptTarget.ES2023, true)),
  )
  return [
    ...files.flatMap(layerViolations),
    ...cycleViolations(files),
    ...files.flatMap(banViolations),
    ...thirdPartyViolations(files),
    ...files.flatMap(headerViolations),
  ]
}

interface Import {
  readonly specifier: string
  /** The imported file of ours, as a path like src/ring/slot.ts; undefined for packages and Node's modules. */
  readonly target: string | undefined
  readonly typeOnly: boolean
  readonly line: number
}

class ParsedFile {
  readonly path: string
  readonly text: string
  readonly tree: ts.SourceFile
  readonly imports: readonly Import[]

  constructor(source: Source, tree: ts.SourceFile) {
    this.path = source.path
    this.text = source.text
    this.tree = tree
    this.imports = this.#findImports()
  }

  get folder(): string {
    const parts = this.path.split('/')
    return parts.length > 2 ? parts[1] : ''
  }

  lineOf(node: ts.Node): number {
    return this.tree.getLineAndCharacterOfPosition(node.getStart(this.tree)).line + 1
  }

  *nodes(from: ts.Node = this.tree): Generator<ts.Node> {
    yield from
    const children: ts.Node[] = []
    ts.forEachChild(from, (child) => void children.push(child))
    for (const child of children) yield* this.nodes(child)
  }

  #findImports(): Import[] {
    const found: Import[] = []
    for (const node of this.nodes()) {
      const literal = importedLiteral(node)
      if (literal === undefined) continue
      const specifier = literal.text
      const target = specifier.startsWith('.')
        ? path.posix.join(path.posix.dirname(this.path), specifier).replace(/\.js$/, '.ts')
        : undefined
      found.push({ specifier, target, typeOnly: isTypeOnly(node), line: this.lineOf(node) })
    }
    return found
  }
}

/** The module named by `import … from`, `export … from`, `import('…')` and `import('…').Type`. */
function importedLiteral(node: ts.Node): ts.StringLiteralLike | undefined {
  let named: ts.Node | undefined
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) named = node.moduleSpecifier
  else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    named = node.arguments[0]
  else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) named = node.argument.literal
  return named !== undefined && ts.isStringLiteralLike(named) ? named : undefined
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportDeclaration(node)) return node.importClause?.isTypeOnly === true
  return ts.isImportTypeNode(node) || (ts.isExportDeclaration(node) && node.isTypeOnly)
}

function layerViolations(file: ParsedFile): Violation[] {
  const own = LAYERS.indexOf(file.folder)
  if (own < 0 && file.folder !== SIMULATION) {
    return [{ path: file.path, line: 1, rule: 'layer', message: `'${file.folder}' is no layer` }]
  }
  return file.imports.flatMap(({ target, line }): Violation[] => {
    if (target === undefined) return []
    const folder = target.startsWith('src/') ? target.split('/')[1] : undefined
    const allowed =
      folder !== undefined &&
      (folder === file.folder ||
        (file.folder === SIMULATION ? LAYERS.includes(folder) : isBefore(folder, own)))
    if (allowed) return []
    return [{ path: file.path, line, rule: 'layer', message: `${file.folder} may not import ${target}` }]
  })
}

function isBefore(folder: string, own: number): boolean {
  const at = LAYERS.indexOf(folder)
  return at >= 0 && at < own
}

function cycleViolations(files: readonly ParsedFile[]): Violation[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const finished = new Set<ParsedFile>()
  const trail: ParsedFile[] = []
  const violations: Violation[] = []
  const visit = (file: ParsedFile): void => {
    trail.push(file)
    for (const { target, typeOnly, line } of file.imports) {
      const next = target === undefined || typeOnly ? undefined : byPath.get(target)
      if (next === undefined || finished.has(next)) continue
      const start = trail.indexOf(next)
      if (start < 0) visit(next)
      else violations.push(cycleViolation([...trail.slice(start), next], line))
    }
    trail.pop()
    finished.add(file)
  }
  for (const file of files) if (!finished.has(file)) visit(file)
  return violations
}

function cycleViolation(cycle: readonly ParsedFile[], line: number): Violation {
  const message = cycle.map((file) => file.path).join(' -> ')
  return { path: cycle[cycle.length - 2].path, line, rule: 'cycle', message }
}

function banViolations(file: ParsedFile): Violation[] {
  if (file.folder === 'env' || file.folder === 'cli' || file.path.endsWith('worker-entry.ts')) return []
  const modules = file.imports
    .filter(({ specifier }) => BANNED_MODULES.has(specifier.replace(/^node:/, '').split('/')[0]))
    .map(({ specifier, line }) => banViolation(file, line, specifier))
  const uses: Violation[] = []
  for (const node of file.nodes()) {
    const banned = bannedUse(node)
    if (banned !== undefined) uses.push(banViolation(file, file.lineOf(node), banned))
  }
  return [...modules, ...uses]
}

function banViolation(file: ParsedFile, line: number, what: string): Violation {
  return { path: file.path, line, rule: 'ban', message: `${what} is only for env/ and worker entry files` }
}

/** The name of what the node asks of the outside world behind env/'s back. */
function bannedUse(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const name = `${node.expression.text}.${node.name.text}`
    if (BANNED_PROPERTIES.has(name)) return name
    return node.expression.text === 'globalThis' && BANNED_GLOBALS.has(node.name.text) ? name : undefined
  }
  if (!ts.isIdentifier(node) || !isValue(node)) return undefined
  if (BANNED_GLOBALS.has(node.text)) return node.text
  return node.text === 'Date' && readsTheClock(node.parent) ? 'Date without an argument' : undefined
}

/** Whether the identifier stands for a variable's value, not for a member, a key, a declared name or a type. */
function isValue(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isTypeReferenceNode(parent) || ts.isQualifiedName(parent)) return false
  const declares = 'name' in parent && parent.name === node
  return !declares || ts.isShorthandPropertyAssignment(parent)
}

/** `new Date()`, `Date()`, `const { now } = Date`, `f(Date)`; but neither `new Date(ms)` nor `Date.UTC`. */
function readsTheClock(parent: ts.Node): boolean {
  if (ts.isNewExpression(parent)) return (parent.arguments?.length ?? 0) === 0
  return !ts.isPropertyAccessExpression(parent)
}

function thirdPartyViolations(files: readonly ParsedFile[]): Violation[] {
  const home = new Map<string, string>()
  const violations: Violation[] = []
  for (const file of files) {
    for (const { specifier, line } of file.imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/')
      const first = home.get(name) ?? file.path
      home.set(name, first)
      if (first === file.path) continue
      const message = `${name} is already behind ${first}`
      violations.push({ path: file.path, line, rule: 'third-party', message })
    }
  }
  return violations
}

function headerViolations(file: ParsedFile): Violation[] {
  const comment = /^\/\*\*([^]*?)\*\//.exec(file.text)?.[1] ?? ''
  const prose = comment.replace(/\s*\*\s?/g, ' ').trim()
  if (prose.length >= HEADER_CHARACTERS_MIN) return []
  const message = 'the file does not open with a paragraph that says what it is'
  return [{ path: file.path, line: 1, rule: 'header', message }]
}
