// Real S3 servers for tests: moto, from PyPI, kept below build/, whose conditions hold only when it answers one request after the other; and versitygw.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { eventually, must, run } from './command.ts'
import { goProgram, skipUnlessBuilt } from './go-programs.ts'
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

export interface S3Server {
  endpoint: string
  /** Of the configuration of a registry: `storage.s3`, with a bucket that is there. */
  storage(bucket: string): Promise<Record<string, unknown>>
  /** Of all its objects; up to a thousand. */
  keys(bucket: string): Promise<string[]>
  /** How many multipart uploads are under way, or were left. */
  multiparts(bucket: string): Promise<number>
}

export interface S3OfTests {
  skip: string | false
  /** The same for a test of what it asks of a copy's source. */
  skipCopies: string | false
  /** Only within a test. */
  server(): S3Server
}

/** moto is everywhere to be had, but takes no notice of a copy's conditions; versitygw keeps all of S3's, between requests side by side. */
const KINDS = {
  moto: { skip: skipWithoutMoto, install: installMoto, start: startMoto },
  versitygw: { skip: async () => skipUnlessBuilt('versitygw'), install: async () => {}, start: startVersitygw },
}

export type S3Kind = keyof typeof KINDS

const CHOICE = 'BERTH_TEST_S3'
const KEYS = { accesskey: 'test', secretkey: 'secret' }
const REGION = 'us-east-1'

/** For the test files that this process loads next. */
export function chooseS3Server(kind: S3Kind): void {
  process.env[CHOICE] = kind
}

let shared: Promise<S3OfTests> | undefined

/** The server of a test file: it is there from before the first test until after the last. The files that one process loads share it. */
export function s3OfTests(): Promise<S3OfTests> {
  shared ??= register(KINDS[(process.env[CHOICE] ?? 'moto') as S3Kind])
  return shared
}

async function register({ skip: skipWithout, install, start }: (typeof KINDS)[S3Kind]): Promise<S3OfTests> {
  const skip = await skipWithout()
  let running: (S3Server & AsyncDisposable) | undefined
  if (skip === false) {
    before(async () => {
      await install()
      running = await start()
    })
    after(() => running?.[Symbol.asyncDispose]())
  }
  const skipCopies = skip === false && start === startMoto && 'moto takes no notice of the conditions of a copy'
  return { skip, skipCopies: skip || skipCopies, server: () => running ?? assert.fail('the S3 server does not run') }
}

async function startMoto(): Promise<S3Server & AsyncDisposable> {
  const env = { ...process.env, PYTHONPATH: join(HOME, 'packages') }
  return await startServer((port) => spawn('python3', ['-c', SERVER, String(port)], { env, stdio: 'ignore' }))
}

async function startVersitygw(): Promise<S3Server & AsyncDisposable> {
  const program = await goProgram('versitygw')
  const directory = await mkdtemp(join(tmpdir(), 'berth-s3-'))
  const env = { ...process.env, ROOT_ACCESS_KEY: KEYS.accesskey, ROOT_SECRET_KEY: KEYS.secretkey }
  const server = await startServer((port) =>
    spawn(program, ['--quiet', '--port', `127.0.0.1:${port}`, 'posix', directory], { env, stdio: 'ignore' }),
  )
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await rm(directory, { recursive: true })
    },
  }
}

async function startServer(start: (port: number) => ChildProcess): Promise<S3Server & AsyncDisposable> {
  const port = await freePort()
  const child = start(port)
  const endpoint = `http://127.0.0.1:${port}`
  /** Signed by curl. */
  const ask = async (method: string, path: string) => {
    const user = `${KEYS.accesskey}:${KEYS.secretkey}`
    const signed = [
      '--aws-sigv4',
      `aws:amz:${REGION}:s3`,
      '--user',
      user,
      '--header',
      'x-amz-content-sha256: UNSIGNED-PAYLOAD',
    ]
    return await must(['curl', '-sS', '--fail-with-body', '-X', method, ...signed, `${endpoint}${path}`])
  }
  await eventually('the S3 server answers', 60_000, async () =>
    ask('GET', '/').then(
      () => true,
      () => false,
    ),
  )
  return {
    endpoint,
    async storage(bucket) {
      await ask('PUT', `/${bucket}`)
      return { bucket, region: REGION, regionendpoint: endpoint, forcepathstyle: true, ...KEYS }
    },
    async keys(bucket) {
      const list = await ask('GET', `/${bucket}?list-type=2`)
      return [...list.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key)
    },
    async multiparts(bucket) {
      return (await ask('GET', `/${bucket}?uploads=`)).split('<UploadId>').length - 1
    },
    async [Symbol.asyncDispose]() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}
