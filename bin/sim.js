// `npm run sim -- --seed N`: builds, then runs whole clusters on virtual time; src/sim/main.ts says what can be asked for.
// `npm run sim -- --mutants` has it find what is wrong with broken variants of the product.
import { build } from './build.js'
import { installPackages } from './install.js'

installPackages()
build()
const program = process.argv.includes('--mutants') ? 'test/support/run-mutants.js' : 'src/sim/main.js'
await import(new URL(`../dist/${program}`, import.meta.url).href)
