/** The generator in a process of its own: is sent the options, sends 'measuring' when the warm-up is over, then the result. */
import { runOpenLoop } from './open-loop.js'
import type { OpenLoopOptions } from './open-loop.js'

process.once('message', (options) => {
  const onMeasuring = (): void => void process.send?.('measuring')
  void runOpenLoop(options as OpenLoopOptions, onMeasuring).then((result) => {
    process.send?.(result, () => process.exit())
  })
})
process.on('disconnect', () => process.exit())
