/** Prints every breach of the architecture's rules; the exit code says whether there was one. */
import { checkArchitecture, readSources } from './architecture.js'

const violations = checkArchitecture(readSources(process.cwd()))
for (const { path, line, rule, message } of violations) console.log(`${path}:${line} ${rule}: ${message}`)
if (violations.length > 0) process.exitCode = 1
