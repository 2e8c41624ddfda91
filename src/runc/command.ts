// What a command gets: the global settings, its own options, what is left of the line.
import type { Options } from './parse-options.ts'
import type { RuntimeLog } from './runtime-log.ts'

export interface GlobalSettings {
  /** Directory of the containers' states. */
  root: string
  criu: string
  usesSystemdCgroup: boolean
  /** `disabled`: no control group at all (crun's --cgroup-manager). */
  cgroupManager: 'cgroupfs' | 'systemd' | 'disabled'
  /** An ordinary user, or told so: what its control groups refuse is no error unless limits were asked for. */
  isRootless: boolean
  log: { path: string | undefined; format: string; isDebug: boolean }
}

export interface Invocation {
  settings: GlobalSettings
  options: Options
  args: readonly string[]
  log: RuntimeLog
}

/** Resolves with the exit status. */
export type Command = (invocation: Invocation) => number | Promise<number>
