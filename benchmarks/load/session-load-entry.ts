/** The load in a process of its own: is sent the options, then orders, and answers each with its figures. */
import { SessionLoad } from './session-load.js'
import type { SessionLoadOptions, SessionOrder } from './session-load.js'

process.once('message', (options) => {
  void SessionLoad.open(options as SessionLoadOptions).then((load) => {
    process.on('message', (order) => {
      void load.run(order as SessionOrder).then((figures) => void process.send?.(figures))
    })
    process.send?.('ready')
  })
})
process.on('disconnect', () => process.exit())
