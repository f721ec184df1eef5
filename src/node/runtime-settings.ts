/**
 * The settings of a running node under Redis's names: what CONFIG GET shows and CONFIG SET may change.
 *
 * The configuration stays an immutable value; a change makes a new one and swaps it, so whoever reads `current` sees a
 * consistent whole and needs no notification. Those who must act at once (the log level) pass an `onChange`.
 */
import type { RuntimeSettings } from '../commands/node-services.js'
import { buildConfig, contradictionsOf, valuesOf } from './config.js'
import { KNOBS, knobByName, knobName } from './config-schema.js'
import { FIXED_SETTINGS } from './fixed-settings.js'
import { formatKnob, parseKnob } from './knob-type.js'
import type { KnobValue } from './knob-type.js'
import type { NodeConfig } from './node-config.js'

const IMMUTABLE = "can't set immutable config"
/** As a cluster's default: a single node has no setting for it. */
const SINGLE_NODE_CLOCK_DRIFT_MAX_MS = 500
const FIXED = new Map(FIXED_SETTINGS.map((setting) => [setting.name, setting]))
const NAMES: readonly string[] = [...KNOBS.map(knobName), ...FIXED.keys()].sort()

export class NodeSettings implements RuntimeSettings {
  readonly #values: Map<string, KnobValue>
  readonly #onChange: (name: string, config: NodeConfig) => void
  #current: NodeConfig
  /** More clients than this the system cannot handle. */
  #clientsMax = Infinity

  /** `onChange` runs after every successful CONFIG SET, with the changed setting's name. */
  constructor(config: NodeConfig, onChange: (name: string, config: NodeConfig) => void = () => {}) {
    this.#values = valuesOf(config)
    this.#current = config
    this.#onChange = onChange
  }

  /** The configuration as it is now. Read it anew each time; never keep it across turns. */
  get current(): NodeConfig {
    return this.#current
  }

  names(): readonly string[] {
    return NAMES
  }

  get(name: string): string | undefined {
    const key = name.toLowerCase()
    const value = this.#values.get(key)
    return value === undefined ? this.#fixed(key) : formatKnob(value)
  }

  #fixed(name: string): string | undefined {
    const setting = FIXED.get(name)
    if (setting === undefined || this.#current.cluster === null) return setting?.value
    return setting.clusterValue ?? setting.value
  }

  set(name: string, value: string): string | null {
    const key = name.toLowerCase()
    const knob = knobByName(key)
    if (knob === undefined) return this.#fixed(key) === value ? null : IMMUTABLE
    if (!knob.runtime) return IMMUTABLE
    const parsed = parseKnob(knob.type, value)
    if (parsed.kind === 'refused') return parsed.redisReason
    if (key === 'maxclients' && Number(parsed.value) > this.#clientsMax) {
      return `The operating system is not able to handle the specified number of clients, try with ${this.#clientsMax}`
    }
    this.#apply(key, parsed.value)
    this.#onChange(key, this.#current)
    return null
  }

  contradiction(): string | null {
    return contradictionsOf(this.#current).at(0) ?? null
  }

  /** The port that was bound, when the configured one was 0. */
  listensOn(port: number, name: 'port' | 'smart-port' | 'cluster-port' = 'port'): void {
    this.#apply(name, port)
  }

  /** Lowers maxclients to what the system can handle, where it is more; answers whether it was. */
  limitClients(clientsMax: number): boolean {
    this.#clientsMax = clientsMax
    if (this.#current.maxClients <= clientsMax) return false
    this.#apply('maxclients', clientsMax)
    return true
  }

  get requirePass(): string {
    return this.#current.requirePass
  }

  /** Whether anybody may use DEBUG; `local` needs the asking session, so whoever knows it asks `current` instead. */
  get enableDebugCommand(): boolean {
    return this.#current.enableDebugCommand === 'yes'
  }

  get protoMaxBulkLenBytes(): number {
    return this.#current.protoMaxBulkLenBytes
  }

  get port(): number {
    return this.#current.port
  }

  get maxClockDriftMs(): number {
    return this.#current.cluster?.maxClockDriftMs ?? SINGLE_NODE_CLOCK_DRIFT_MAX_MS
  }

  #apply(name: string, value: KnobValue): void {
    const { dir, configFile, cluster, storage } = this.#current
    const from = { workDirectory: dir, configFile }
    this.#values.set(name, value)
    this.#current = buildConfig(this.#values, from, cluster ?? undefined, storage.policies)
  }
}
