// Relays of streams, for a containerd whose shims know only FIFOs: berth-shim without a process (native/README.md, "Relays"). It writes the log and serves
// attach as a shim of ours does for its own processes, and outlives whoever started it.
import { connectShim } from '../../shim/connect-shim.ts'
import type { ShimLog, RelayPlan, Shim } from '../../shim/shim.ts'
import { spawnShimWith } from '../../shim/spawn-shim.ts'

export type { RelayPlan } from '../../shim/shim.ts'

export type StreamRelay = Pick<
  Shim,
  'processes' | 'add' | 'started' | 'remove' | 'shutdown' | 'onExit' | 'onInputEnd' | 'closed'
>

export interface RelaySettings {
  /** For its plan and its sockets; absolute, exists. */
  directory: string
  /** Shown in `ps`. */
  label: string
  streamSocketPath: string
  log: ShimLog | undefined
  stdinOnce: boolean
}

const SPILL_MAX_BYTES = 256 * 1024 * 1024
const STALL_SECONDS = 60
/** Without an engine, after the streams have ended, or where what they are for was never started. */
const LINGER_SECONDS = 3600

/** `program`: an absolute path of berth-shim. */
export async function spawnRelay(program: string, settings: RelaySettings, relay: RelayPlan): Promise<StreamRelay> {
  const { directory, label, streamSocketPath, log, stdinOnce } = settings
  return await spawnShimWith(program)(
    {
      bundle: directory,
      label,
      streamSocketPath,
      log,
      stdinOnce,
      spillMaxBytes: SPILL_MAX_BYTES,
      stallSeconds: STALL_SECONDS,
      lingerSeconds: LINGER_SECONDS,
    },
    { relay },
    undefined,
  )
}

/** Undefined where none lives there. */
export async function connectRelay(directory: string): Promise<StreamRelay | undefined> {
  return await connectShim(directory)
}
