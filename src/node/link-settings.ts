/**
 * The settings of a node's links out of its configuration. The failure detector's times go by the ping interval, all of them: what
 * comes in half of it is one heartbeat, and the deviation is never taken to be less than it, so that one late ping in a row
 * of regular ones is no news and 6.6 missing ones are, whatever the interval.
 */
import { LINK_DEFAULTS } from '../link/link-node.js'
import type { LinkSettings } from '../link/link-node.js'
import type { ClusterConfig } from './node-config.js'

export function linkSettings(config: ClusterConfig, secret: string): LinkSettings {
  const { pingIntervalMs, phiConvictThreshold, phiSuspiciousThreshold, phiWindowSize } = config
  return {
    ...LINK_DEFAULTS,
    secret,
    pingIntervalMs,
    phiSuspicious: phiSuspiciousThreshold,
    phi: {
      windowSize: phiWindowSize,
      deviationMsMin: pingIntervalMs,
      firstIntervalMs: pingIntervalMs,
      sampleEveryMs: pingIntervalMs / 2,
      threshold: phiConvictThreshold,
    },
  }
}
