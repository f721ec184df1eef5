// `npm run up`: installs and builds what is needed, then is `kindred up` with the same arguments.
import { build } from './build.js'
import { installPackages } from './install.js'

installPackages()
build()
const { main } = await import(new URL('../dist/src/cli/main.js', import.meta.url).href)
process.exit(await main(['up', ...process.argv.slice(2)]))
