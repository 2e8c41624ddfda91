// Every command there is.
import type { Command } from './command.ts'
import { attach } from './commands/attach.ts'
import { create } from './commands/create.ts'
import { exec } from './commands/exec.ts'
import { images } from './commands/images.ts'
import { info } from './commands/info.ts'
import { inspect } from './commands/inspect.ts'
import { kill } from './commands/kill.ts'
import { logs } from './commands/logs.ts'
import { port } from './commands/port.ts'
import { ps } from './commands/ps.ts'
import { pull } from './commands/pull.ts'
import { rm } from './commands/rm.ts'
import { rmi } from './commands/rmi.ts'
import { run } from './commands/run.ts'
import { pause, rename, restart, stop, top, unpause, wait } from './commands/small-verbs.ts'
import { start } from './commands/start.ts'
import { version } from './commands/version.ts'

export const COMMANDS: readonly Command[] = [
  ...[attach, create, exec, images, info, inspect, kill, logs, pause, port, ps, pull],
  ...[rename, restart, rm, rmi, run, start, stop, top, unpause, version, wait],
]
