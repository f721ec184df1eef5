/** The load on etcd in a process of its own: is sent the options, sends the result. */
import { runEtcdLoad } from './etcd-load.js'
import type { EtcdLoadOptions } from './etcd-load.js'

process.once('message', (options) => {
  void runEtcdLoad(options as EtcdLoadOptions).then((result) => {
    process.send?.(result, () => process.exit())
  })
})
process.on('disconnect', () => process.exit())
