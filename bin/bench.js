// `npm run bench -- NAME`: builds, then runs one benchmark; without a name it lists them.
import { build } from './build.js'
import { installPackages } from './install.js'

installPackages()
build()
await import(new URL('../dist/benchmarks/main.js', import.meta.url).href)
