// What `npm run up` needs before it starts `kindred up`: installs and builds.
import { build } from './build.js'
import { installPackages } from './install.js'

installPackages()
build()
