// The options in front of the command.
import { Failure } from '../base/failure.ts'
import type { GlobalSettings } from './command.ts'
import type { Options } from './parse-options.ts'

/** Below /run, so that nothing outlives a boot; apart from runc's own, so that two runtimes never meet in one state. */
const ROOT_NAME = 'berth-runc'

export function readGlobalSettings(options: Options, environment: NodeJS.ProcessEnv): GlobalSettings {
  const manager = options.text('cgroup-manager') ?? (options.flag('systemd-cgroup') ? 'systemd' : 'cgroupfs')
  if (manager !== 'cgroupfs' && manager !== 'systemd' && manager !== 'disabled')
    throw new Failure('invalid-argument', `unknown cgroup manager specified: ${manager}`)
  return {
    root: options.text('root') || defaultRoot(environment),
    criu: options.text('criu') || 'criu',
    usesSystemdCgroup: manager === 'systemd',
    cgroupManager: manager,
    isRootless: isRootless(options.text('rootless') ?? 'auto'),
    log: {
      path: options.text('log'),
      format: options.text('log-format') ?? 'text',
      isDebug: options.flag('debug') || options.text('log-level') === 'debug',
    },
  }
}

function defaultRoot(environment: NodeJS.ProcessEnv): string {
  const own = environment['XDG_RUNTIME_DIR']
  return process.geteuid?.() !== 0 && own !== undefined && own !== '' ? `${own}/${ROOT_NAME}` : `/run/${ROOT_NAME}`
}

function isRootless(asked: string): boolean {
  switch (asked) {
    case 'auto':
      return process.geteuid?.() !== 0
    case 'true':
    case 'false':
      return asked === 'true'
    default:
      throw new Failure('invalid-argument', `--rootless: ${JSON.stringify(asked)} is not true, false or auto`)
  }
}
