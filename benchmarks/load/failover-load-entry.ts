/** The load in a process of its own: is sent the options, tells how far it is, takes orders, sends the result. */
import type { LoadNews } from './failover-child.js'
import { FailoverLoad } from './failover-load.js'
import type { FailoverLoadOptions, FailoverOrder } from './failover-load.js'

process.once('message', (options) => {
  void FailoverLoad.open(options as FailoverLoadOptions).then(async (load) => {
    process.on('message', (order) => load.order(order as FailoverOrder))
    const result = await load.run((news: LoadNews) => void process.send?.(news))
    process.send?.(result, () => process.exit())
  })
})
process.on('disconnect', () => process.exit())
