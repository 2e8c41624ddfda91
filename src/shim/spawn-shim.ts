// Starting berth-shim: the plan on disk, the program, and the first process up to `created`.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import { connectControl } from './connect-shim.ts'
import { refuseSync } from './control-connection.ts'
import { encodeShimPlan } from './encode-plan.ts'
import { runProgram } from './run-program.ts'
import { sealProgram } from './seal-program.ts'
import { INIT_PROCESS, type SpawnShim, StepFailure } from './shim.ts'

/** Makes SpawnShim for the berth-shim at `shimProgram` (an absolute path). */
export function spawnShimWith(shimProgram: string): SpawnShim {
  return async (settings, source, rootfs, options = {}) => {
    const planPath = join(settings.bundle, 'plan')
    // Synchronous: a file of a few KiB in a tmpfs is written sooner than a thread of the pool is woken.
    writeFileSync(planPath, encodeShimPlan(settings, source, options.streams), { mode: 0o600 })
    // It exits 0 once its sockets listen, and lives on as a child of its own; another status is an errno.
    const status = runProgram(
      sealProgram(shimProgram),
      ['berth-shim', settings.label, settings.bundle],
      rootfs,
      shimProgram,
    )
    if (status !== 0) {
      rmSync(planPath, { force: true })
      throw new StepFailure(undefined, status)
    }
    const shim = await connectControl(settings.bundle, options.onSync ?? refuseSync)
    if (!shim) throw new Failure('unavailable', `shim of ${settings.bundle} ended at its start`)
    try {
      await shim.created(INIT_PROCESS)
      return shim
    } catch (error) {
      await shim.shutdown()
      throw error
    }
  }
}
