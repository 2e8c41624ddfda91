// The two clients every user-visible behaviour is tested with: the real Docker CLI and ours.
import type { CommandOptions, CommandResult } from './command.ts'
import { run } from './command.ts'
import type { TestEngine } from './berth.ts'
import { BIN } from './root.ts'

export interface TestClient {
  name: 'docker' | 'berth'
  program: string
  run(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** Must exit 0; trimmed output. */
  ok(...args: string[]): Promise<string>
  /** Under a pseudo-terminal of util-linux `script`, typing `input`. */
  runInPty(args: readonly string[], input: string): Promise<CommandResult>
}

export function clientsOf(engine: TestEngine): TestClient[] {
  const env = { DOCKER_HOST: engine.host, DOCKER_CONFIG: `${engine.directory}/docker-config`, TERM: 'xterm' }
  return (['docker', 'berth'] as const).map((name) => {
    const program = name === 'docker' ? 'docker' : `${BIN}/berth`
    const client: TestClient = {
      name,
      program,
      run: (args, options = {}) => run([program, ...args], { ...options, env: { ...env, ...options.env } }),
      async ok(...args) {
        const result = await client.run(args)
        if (result.code !== 0)
          throw new Error(`${name} ${args.join(' ')}: exit ${result.code}\n${result.stdout}\n${result.stderr}`)
        return result.stdout.trim()
      },
      runInPty(args, input) {
        const line = [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
        return run(['script', '-qec', line, '/dev/null'], { env, input, timeoutMs: 30_000 })
      },
    }
    return client
  })
}
