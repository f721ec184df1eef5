// Starts the compiled command line; bin/kindred calls it with the environment that suits it.
import { existsSync } from 'node:fs'

const compiled = new URL('../dist/src/cli/main.js', import.meta.url)
if (!existsSync(compiled)) {
  console.error(
    'kindred: not built yet. Run "npm run build" first, or "npm run up", which installs, builds and starts.',
  )
  process.exit(1)
}
const { main } = await import(compiled.href)
process.exit(await main(process.argv.slice(2)))
