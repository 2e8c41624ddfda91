// docker-py from PyPI in an environment of its own below build/, pinned; Debian's package where PyPI can't be reached.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { must, run } from './command.ts'
import { ROOT } from './root.ts'

/** With everything that they need in turn. */
const PACKAGES =
  'docker==7.1.0 requests==2.34.2 urllib3==2.8.0 idna==3.20 charset-normalizer==3.5.3 certifi==2026.10.19.post1'.split(
    ' ',
  )
const HOME = join(ROOT, 'build/sdk')
const PYTHON = join(HOME, 'docker-py-7.1.0/bin/python3')

/** Fills the environment; needs the host's network. Answers why there is none. */
export async function installDockerPy(): Promise<string | undefined> {
  if (existsSync(PYTHON)) return undefined
  await mkdir(HOME, { recursive: true })
  const draft = await mkdtemp(join(HOME, 'draft-'))
  try {
    await must(['python3', '-m', 'venv', '--without-pip', draft])
    const [major = '', minor = ''] = /(\d+)\.(\d+)/.exec(await must(['python3', '--version']))?.slice(1) ?? []
    const site = join(draft, `lib/python${major}.${minor}/site-packages`)
    await must(
      [
        'python3',
        '-m',
        'pip',
        'install',
        '-q',
        '--disable-pip-version-check',
        '--no-deps',
        '--target',
        site,
        ...PACKAGES,
      ],
      {
        timeoutMs: 300_000,
      },
    )
    await rename(draft, join(HOME, 'docker-py-7.1.0'))
    return undefined
  } catch (error) {
    return String(error)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** The interpreter that has the library; undefined where none has. */
export async function pythonWithDocker(): Promise<string | undefined> {
  for (const python of [PYTHON, '/usr/bin/python3'])
    if (existsSync(python) && (await run([python, '-c', 'import docker'])).code === 0) return python
  return undefined
}
