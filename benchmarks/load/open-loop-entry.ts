/** The generator in a process of its own: options as JSON in the first argument, the result as JSON on standard output. */
import { runOpenLoop } from './open-loop.js'
import type { OpenLoopOptions } from './open-loop.js'

const options = JSON.parse(process.argv[2]) as OpenLoopOptions
process.stdout.write(JSON.stringify(await runOpenLoop(options)))
