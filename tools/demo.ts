// make demo: an engine of its own, an image made here, pushed to a registry on loopback, pulled back and run; each command is shown before it runs.
import { spawnSync } from 'node:child_process'
import { startEngine } from '../test/harness/berth.ts'
import { eventually, must } from '../test/harness/command.ts'
import { pushBusybox } from '../test/harness/images.ts'
import { BIN } from '../test/harness/root.ts'
import { freePort, startRegistry } from '../test/harness/registry.ts'

const engine = await startEngine()
const registry = await startRegistry(`${engine.directory}/registry`)
const image = `${registry.host}/demo`
const env = { ...process.env, DOCKER_HOST: engine.host }

/** Runs our client as a person would, its output on the terminal. */
function show(...args: string[]): void {
  console.log(`\n$ berth ${args.map((word) => (/^[\w./:=,{}-]+$/.test(word) ? word : `'${word}'`)).join(' ')}`)
  const { status } = spawnSync(`${BIN}/berth`, args, { env, stdio: 'inherit' })
  if (status !== 0) throw new Error(`berth ${args[0]} exited with ${status}`)
}

try {
  console.log(`engine: ${engine.host} (DOCKER_HOST for any Docker client)\nregistry: ${registry.host}`)
  await pushBusybox(registry.host, 'demo:latest', { Cmd: ['sh'] })
  const port = await freePort()
  show('pull', image)
  show('images')
  show('run', '--rm', image, 'echo', 'hello from a container')
  const serve = 'echo "hello from $(hostname)" > /var/www/index.html; echo serving; exec httpd -f -p 80 -h /var/www'
  show(
    'run',
    '-d',
    '--name',
    'web',
    '-m',
    '64m',
    '--cpus',
    '0.5',
    '--pids-limit',
    '50',
    '-p',
    `127.0.0.1:${port}:80`,
    image,
    'sh',
    '-c',
    serve,
  )
  show('ps')
  const page = await eventually('the page is served', 5000, () => must(['curl', '-sf', `http://127.0.0.1:${port}/`]))
  console.log(`\n$ curl http://127.0.0.1:${port}/\n${page}`)
  show('logs', 'web')
  show('exec', 'web', 'ps')
  console.log('\n$ pstree')
  const pid = await must([`${BIN}/berth`, 'inspect', '-f', '{{.State.Pid}}', 'web'], {
    env: { DOCKER_HOST: engine.host },
  })
  const shim = await must(['ps', '-o', 'ppid=', '-p', pid])
  console.log(await must(['pstree', '-a', '-p', '-T', String(engine.enginePid())]))
  console.log(await must(['pstree', '-a', '-p', '-T', shim]))
  show('stop', '-t', '1', 'web')
  show('ps', '-a')
  show('rm', 'web')
  console.log('\nIt works: client, engine, containerd, shim, runtime, registry client and network.')
} finally {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
}
