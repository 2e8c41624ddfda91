// berth NAME …, where NAME is a plugin's: it takes this program's place, with its words, its terminal and its exit code.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { CliPlugin } from './cli-plugin.ts'

const PASSED_ON: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT']

export interface PluginCall {
  plugin: CliPlugin
  /** All words of the command line: global flags are the plugin's affair, too. */
  argv: readonly string[]
  env: NodeJS.ProcessEnv
  /** The engine, where neither the words nor the configuration say so: what a plugin would take for it is Docker's. */
  host: string | undefined
}

/** By its code, or by a signal; then the code is 255, as the Docker CLI has it. */
export interface PluginEnd {
  code: number
  signal: NodeJS.Signals | undefined
}

/** Throws where it cannot be started. */
export function runPlugin({ plugin, argv, env, host }: PluginCall): Promise<PluginEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(plugin.path, argv, {
      stdio: 'inherit',
      env: {
        ...env,
        ...(host === undefined ? {} : { DOCKER_HOST: host }),
        // What it calls to run another command of ours.
        DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND: process.argv0,
      },
    })
    for (const signal of PASSED_ON)
      process.on(signal, () => {
        // Ctrl-C has reached it by the terminal already.
        if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
      })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code: code ?? 255, signal: signal ?? undefined }))
  })
}

/** In Go's words, as `help NAME` ends where the plugin does not end well. */
export function describeEnd({ code, signal }: PluginEnd): string {
  if (signal === undefined) return `exit status ${code}`
  return `signal: ${SIGNAL_TEXT[signal] ?? constants.signals[signal]}`
}

const SIGNAL_TEXT: Partial<Record<NodeJS.Signals, string>> = {
  ...{ SIGTERM: 'terminated', SIGKILL: 'killed', SIGINT: 'interrupt', SIGHUP: 'hangup', SIGQUIT: 'quit' },
  ...{ SIGABRT: 'aborted', SIGSEGV: 'segmentation fault', SIGPIPE: 'broken pipe' },
}
