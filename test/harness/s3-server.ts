// A real S3 server for tests: moto, from PyPI, kept below build/. Its conditions hold only when it answers one request after the other.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, must, run } from './command.ts'
import { freePort } from './registry.ts'
import { ROOT } from './root.ts'

const VERSION = '5.2.5'
const HOME = join(ROOT, `build/moto-${VERSION}`)
const INSTALL_MS = 300_000
const SERVER = `import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
`

/** For a test's `skip`: false where it is installed or can be. */
export async function skipWithoutMoto(): Promise<string | false> {
  if (existsSync(HOME)) return false
  const { code } = await run(['python3', '-c', 'import venv, ensurepip']).catch(() => ({ code: 1 }))
  return code === 0 ? false : 'the S3 server of the tests needs python3 with venv'
}

/** Installs it where it is not there. */
export async function installMoto(): Promise<void> {
  if (existsSync(HOME)) return
  const scratch = `${HOME}.${process.pid}`
  try {
    await mkdir(scratch, { recursive: true })
    const target = join(scratch, 'packages')
    await must(['python3', '-m', 'venv', join(scratch, 'venv')], { timeoutMs: INSTALL_MS })
    const pip = [join(scratch, 'venv/bin/pip'), 'install', '-q', '--target', target, `moto[server,s3]==${VERSION}`]
    await must(pip, { timeoutMs: INSTALL_MS })
    await rename(scratch, HOME)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

export interface S3Server extends AsyncDisposable {
  endpoint: string
  /** Of the configuration of a registry: `storage.s3`, with a bucket that is there. */
  storage(bucket: string): Promise<Record<string, unknown>>
  /** Of all its objects; up to a thousand. */
  keys(bucket: string): Promise<string[]>
  /** How many multipart uploads are under way, or were left. */
  multiparts(bucket: string): Promise<number>
}

export async function startS3Server(): Promise<S3Server> {
  await installMoto()
  const port = await freePort()
  const env = { ...process.env, PYTHONPATH: join(HOME, 'packages') }
  const child: ChildProcess = spawn('python3', ['-c', SERVER, String(port)], { env, stdio: 'ignore' })
  const endpoint = `http://127.0.0.1:${port}`
  await eventually('the S3 server answers', 60_000, async () => (await fetch(`${endpoint}/moto-api/`)).status > 0)
  return {
    endpoint,
    async storage(bucket) {
      const made = await fetch(`${endpoint}/${bucket}`, { method: 'PUT' })
      if (!made.ok) throw new Error(`bucket ${bucket}: ${made.status} ${await made.text()}`)
      const keys = { accesskey: 'test', secretkey: 'secret' }
      return { bucket, region: 'us-east-1', regionendpoint: endpoint, forcepathstyle: true, ...keys }
    },
    async keys(bucket) {
      const list = await (await fetch(`${endpoint}/${bucket}?list-type=2`)).text()
      return [...list.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key)
    },
    async multiparts(bucket) {
      const list = await (await fetch(`${endpoint}/${bucket}?uploads`)).text()
      return list.split('<UploadId>').length - 1
    },
    async [Symbol.asyncDispose]() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}
