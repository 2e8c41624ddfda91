// Debian's docker-registry on loopback, with a data directory of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { eventually } from './command.ts'

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  host: string
  /** The file that it was started with. */
  config: string
}

/** Starts one; it ends with the disposal. */
export async function startRegistry(directory: string, options: { htpasswd?: string } = {}): Promise<TestRegistry> {
  const port = await freePort()
  await mkdir(directory, { recursive: true })
  const config = `${directory}/config.yml`
  const auth =
    options.htpasswd === undefined ? '' : `auth:\n  htpasswd:\n    realm: test\n    path: ${options.htpasswd}\n`
  writeFileSync(
    config,
    `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${directory}/data\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:${port}\n${auth}`,
  )
  const child: ChildProcess = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  await eventually('the registry answers', 10_000, async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).status > 0)
  return {
    host: `127.0.0.1:${port}`,
    config,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
