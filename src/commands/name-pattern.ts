/** Glob patterns over the names of settings and commands, which have no case. */
import { Glob } from '../util/glob.js'

/** Whether Redis would look for matches instead of one name. */
export function hasWildcard(text: string): boolean {
  return /[*?[]/.test(text)
}

/** Those of `names` that match the pattern, as KEYS would match them in lower case. */
export function matchingNames(pattern: string, names: readonly string[]): readonly string[] {
  const glob = new Glob(Buffer.from(pattern.toLowerCase()))
  return names.filter((name) => {
    const bytes = Buffer.from(name.toLowerCase())
    return glob.matches(bytes, 0, bytes.length)
  })
}
