/**
 * The names of the simulated disk. Every directory has its entries as programs see them and as the platter has them;
 * between the two lies one list of name changes that no syncDirectory has covered, oldest first.
 *
 * - A change is an atomic list of assignments: a creation sets one name, a removal clears one, a rename clears one and
 *   sets another. So a rename survives a crash whole or not at all, and the file it replaced is back in the latter case.
 * - Syncing a directory makes the changes that touch it durable (and those they build on). It says nothing about the
 *   directory's own name, which belongs to its parent.
 * - After a failed sync of a directory its changes count as clean: a later sync succeeds without writing them, until
 *   another change in that directory makes its block dirty again.
 * - In a crash changes survive each on their own, except that a change never survives an earlier lost one to a
 *   name they share. So an unlinked file may be back although a later rename in the same directory has happened.
 */
import { assert } from '../../util/assert.js'
import type { SimRandom } from '../sim-random.js'
import { diskError } from './disk-error.js'
import { SimFile } from './sim-file.js'
import type { CrashMode } from './sim-file.js'

export class SimDirectory {
  live = new Map<string, SimNode>()
  durable = new Map<string, SimNode>()
}

export type SimNode = SimFile | SimDirectory

interface Assignment {
  readonly directory: SimDirectory
  readonly name: string
  /** Undefined clears the name. */
  readonly node: SimNode | undefined
}

interface NameChange {
  readonly assignments: readonly Assignment[]
  readonly orphaned: boolean
}

/** Where a path's last name would stand. */
interface Place {
  readonly directory: SimDirectory
  readonly name: string
}

export class SimNamespace {
  #root = new SimDirectory()
  #pending: NameChange[] = []

  /** Name changes that no sync has covered. */
  get pendingChanges(): number {
    return this.#pending.length
  }

  find(path: string, call: string): SimNode | undefined {
    let node: SimNode | undefined = this.#root
    for (const name of namesOf(path)) {
      if (node === undefined) return undefined
      if (node instanceof SimFile) throw diskError('ENOTDIR', call, path)
      node = node.live.get(name)
    }
    return node
  }

  file(path: string, call: string): SimFile {
    const node = this.find(path, call)
    if (node === undefined) throw diskError('ENOENT', call, path)
    if (node instanceof SimDirectory) throw diskError('EISDIR', call, path)
    return node
  }

  directory(path: string, call: string): SimDirectory {
    const node = this.find(path, call)
    if (node === undefined) throw diskError('ENOENT', call, path)
    if (node instanceof SimFile) throw diskError('ENOTDIR', call, path)
    return node
  }

  create(path: string, call: string): SimFile {
    const file = new SimFile()
    this.#change([{ ...this.#place(path, call), node: file }])
    return file
  }

  makeDirectory(path: string, call: string): void {
    let directory = this.#root
    const names = namesOf(path)
    for (const [index, name] of names.entries()) {
      const node = directory.live.get(name)
      if (node instanceof SimFile)
        throw diskError(index === names.length - 1 ? 'EEXIST' : 'ENOTDIR', call, path)
      const next = node ?? new SimDirectory()
      if (node === undefined) this.#change([{ directory, name, node: next }])
      directory = next
    }
  }

  unlink(path: string, call: string): void {
    this.file(path, call)
    this.#change([{ ...this.#place(path, call), node: undefined }])
  }

  /** A second name for the file: in a crash each name fares by itself, what the file holds fares once. */
  link(from: string, to: string, call: string): void {
    const file = this.file(from, call)
    if (this.find(to, call) !== undefined) throw diskError('EEXIST', call, to)
    this.#change([{ ...this.#place(to, call), node: file }])
  }

  removeDirectory(path: string, call: string): void {
    const directory = this.directory(path, call)
    if (directory.live.size > 0) throw diskError('ENOTEMPTY', call, path)
    this.#change([{ ...this.#place(path, call), node: undefined }])
  }

  rename(from: string, to: string, call: string): void {
    const source = this.#place(from, call)
    const target = this.#place(to, call)
    const node = source.directory.live.get(source.name)
    const replaced = target.directory.live.get(target.name)
    if (node === undefined) throw diskError('ENOENT', call, from)
    if (contains(node, target.directory)) throw diskError('EINVAL', call, to)
    if (contains(replaced, source.directory)) throw diskError('ENOTEMPTY', call, to)
    if (replaced === node) return
    refuseReplacing(node, replaced, call, to)
    this.#change([
      { ...source, node: undefined },
      { ...target, node },
    ])
  }

  sync(directory: SimDirectory): void {
    if (!this.#pending.some((change) => !change.orphaned && touches(change, directory))) return
    const needed = new Map<SimDirectory, Set<string>>()
    const durable = new Set<NameChange>()
    for (const change of this.#pending.toReversed()) {
      if (!touches(change, directory) && !sharesName(change, needed)) continue
      durable.add(change)
      addNames(change, needed)
    }
    for (const change of this.#pending) if (durable.has(change)) makeDurable(change)
    this.#pending = this.#pending.filter((change) => !durable.has(change))
  }

  failSync(directory: SimDirectory): void {
    this.#pending = this.#pending.map((change) =>
      touches(change, directory) ? { ...change, orphaned: true } : change,
    )
  }

  crash(mode: CrashMode, random: SimRandom): void {
    if (mode !== 'keep-all') {
      if (mode === 'random') this.#keepSome(random)
      this.#pending = []
      for (const directory of this.#directories()) directory.live = new Map(directory.durable)
    }
    for (const file of this.#allFiles()) file.crash(mode, random)
  }

  /** One with several names comes as often. */
  *liveFiles(directory = this.#root): Generator<SimFile> {
    for (const node of directory.live.values()) {
      if (node instanceof SimFile) yield node
      else yield* this.liveFiles(node)
    }
  }

  *livePaths(directory = this.#root, above = ''): Generator<string> {
    for (const [name, node] of directory.live) {
      const path = `${above}/${name}`
      if (node instanceof SimFile) yield path
      else yield* this.livePaths(node, path)
    }
  }

  /** A copy of everything; `copies` maps each file to its twin. */
  clone(copies: Map<SimFile, SimFile>): SimNamespace {
    const directories = new Map<SimDirectory, SimDirectory>()
    const copyOf = (node: SimNode): SimNode => {
      if (node instanceof SimFile) return cached(copies, node, () => node.clone())
      const known = directories.get(node)
      if (known !== undefined) return known
      const copy = new SimDirectory()
      directories.set(node, copy)
      for (const [name, child] of node.live) copy.live.set(name, copyOf(child))
      for (const [name, child] of node.durable) copy.durable.set(name, copyOf(child))
      return copy
    }
    const copyDirectory = (directory: SimDirectory): SimDirectory => {
      const copy = copyOf(directory)
      assert(copy instanceof SimDirectory, 'a directory is copied to a directory')
      return copy
    }
    const twin = new SimNamespace()
    twin.#root = copyDirectory(this.#root)
    twin.#pending = this.#pending.map(({ assignments, orphaned }) => ({
      orphaned,
      assignments: assignments.map(({ directory, name, node }) => ({
        directory: copyDirectory(directory),
        name,
        node: node === undefined ? undefined : copyOf(node),
      })),
    }))
    return twin
  }

  #place(path: string, call: string): Place {
    const names = namesOf(path)
    const name = names.pop()
    assert(name !== undefined, 'the root itself is neither made nor moved')
    return { directory: this.directory(names.join('/'), call), name }
  }

  #change(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) assign(assignment, 'live')
    this.#pending.push({ assignments, orphaned: false })
  }

  #keepSome(random: SimRandom): void {
    const survivalChance = random.pick([0, 0.2, 0.5, 0.8, 1])
    const inOrder = random.chance(0.3)
    const lost = new Map<SimDirectory, Set<string>>()
    let allSurvived = true
    for (const change of this.#pending) {
      const survives = random.chance(survivalChance) && !sharesName(change, lost) && (allSurvived || !inOrder)
      if (survives) {
        makeDurable(change)
      } else {
        addNames(change, lost)
        allSurvived = false
      }
    }
  }

  /** Every directory that is reachable from anywhere, removed and not yet durable ones included. */
  #directories(): Set<SimDirectory> {
    const found = new Set<SimDirectory>()
    const visit = (node: SimNode | undefined): void => {
      if (!(node instanceof SimDirectory) || found.has(node)) return
      found.add(node)
      for (const child of node.live.values()) visit(child)
      for (const child of node.durable.values()) visit(child)
    }
    visit(this.#root)
    for (const { assignments } of this.#pending) for (const { node } of assignments) visit(node)
    return found
  }

  #allFiles(): Set<SimFile> {
    const files = new Set<SimFile>()
    for (const directory of this.#directories()) {
      for (const node of directory.live.values()) if (node instanceof SimFile) files.add(node)
      for (const node of directory.durable.values()) if (node instanceof SimFile) files.add(node)
    }
    return files
  }
}

function namesOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  assert(!names.includes('..'), 'simulated paths do not go up')
  return names
}

function refuseReplacing(node: SimNode, replaced: SimNode | undefined, call: string, path: string): void {
  if (replaced === undefined) return
  if (node instanceof SimFile && replaced instanceof SimDirectory) throw diskError('EISDIR', call, path)
  if (node instanceof SimDirectory && replaced instanceof SimFile) throw diskError('ENOTDIR', call, path)
  if (replaced instanceof SimDirectory && replaced.live.size > 0) throw diskError('ENOTEMPTY', call, path)
}

/** Whether the node is the directory or lies above it. */
function contains(node: SimNode | undefined, directory: SimDirectory): boolean {
  if (!(node instanceof SimDirectory)) return false
  return node === directory || [...node.live.values()].some((child) => contains(child, directory))
}

function assign({ directory, name, node }: Assignment, side: 'live' | 'durable'): void {
  if (node === undefined) directory[side].delete(name)
  else directory[side].set(name, node)
}

function makeDurable(change: NameChange): void {
  for (const assignment of change.assignments) assign(assignment, 'durable')
}

function touches(change: NameChange, directory: SimDirectory): boolean {
  return change.assignments.some((assignment) => assignment.directory === directory)
}

function sharesName(change: NameChange, names: Map<SimDirectory, Set<string>>): boolean {
  return change.assignments.some(({ directory, name }) => names.get(directory)?.has(name) === true)
}

function addNames(change: NameChange, names: Map<SimDirectory, Set<string>>): void {
  for (const { directory, name } of change.assignments) {
    cached(names, directory, () => new Set<string>()).add(name)
  }
}

function cached<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
