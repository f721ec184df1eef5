// What `npm run up` needs before it starts `kindred up`: installs, and builds the program without its tests.
import { buildProgram } from './build.js'
import { installPackages } from './install.js'

installPackages()
buildProgram()
