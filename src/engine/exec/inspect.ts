// GET /exec/{id}/json.
import type { Exec } from './exec-store.ts'

export function inspectExec(exec: Exec): Record<string, unknown> {
  const { config, state } = exec
  const [entrypoint, ...args] = config.command
  return {
    ID: exec.id,
    Running: state.kind === 'running' || state.kind === 'starting',
    ExitCode: state.kind === 'exited' ? state.exitCode : null,
    ProcessConfig: {
      tty: config.terminal,
      entrypoint,
      arguments: args,
      privileged: config.privileged,
      ...(config.user === '' ? {} : { user: config.user }),
    },
    OpenStdin: config.attachStdin,
    OpenStderr: config.attachStderr,
    OpenStdout: config.attachStdout,
    CanRemove: state.kind === 'exited',
    ContainerID: exec.container.id,
    DetachKeys: config.detachKeysText === '' ? '' : Buffer.from(config.detachKeys).toString('base64'),
    Pid: state.kind === 'running' || state.kind === 'exited' ? state.pid : 0,
  }
}
