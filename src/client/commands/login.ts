// login and logout: POST /auth tells whether credentials are good, a helper or config.json keeps them.
import { isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { eraseInHelper, isHelperThere, isProgramThere, storeInHelper } from '../connection/credential-helper.ts'
import { type Credentials, findCredentials, helperFor, hostOf, HUB } from '../connection/credentials.ts'
import { changeConfig } from '../connection/save-config.ts'
import type { FlagValues } from '../flags.ts'
import { askFor, askSecretly, readAllInput } from '../terminal/prompt.ts'
import { isTerminal } from '../terminal/streams.ts'

export const login: Command = {
  description: 'Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.',
  flags: [
    { name: 'password', short: 'p', kind: 'string', usage: 'Password or Personal Access Token (PAT)' },
    {
      ...{ name: 'password-stdin', kind: 'boolean' },
      usage: 'Take the Password or Personal Access Token (PAT) from stdin',
    },
    { name: 'username', short: 'u', kind: 'string', usage: 'Username' },
  ],
  args: { min: 0, max: 1 },
  async run(shell, [server = ''], flags) {
    checkFlags(flags)
    const given = await readGiven(shell, flags)
    const key = server === '' || server === 'docker.io' ? HUB : hostOf(server)
    const stored = given.username === '' && given.password === '' ? await findStored(shell, key) : undefined
    const status = (stored && (await loginAgain(shell, key, stored))) ?? (await loginAnew(shell, key, given, stored))
    if (status !== '') shell.print(`${status}\n`)
    return 0
  },
}

function checkFlags(flags: FlagValues): void {
  const refuse = (why: string) => new ExitCode(1, why)
  if (flags.isGiven('password-stdin')) {
    if (flags.isGiven('password'))
      throw refuse('conflicting options: cannot specify both --password and --password-stdin')
    if (!flags.isGiven('username')) throw refuse('the --password-stdin option requires --username to be set')
  }
  if (flags.isGiven('username') && flags.text('username') === '') throw refuse('username is empty')
  if (flags.isGiven('password') && flags.text('password') === '') throw refuse('password is empty')
}

async function readGiven(shell: Shell, flags: FlagValues): Promise<Credentials> {
  const username = flags.text('username') ?? ''
  const password = flags.text('password') ?? ''
  if (password !== '') shell.printError('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n')
  if (!flags.boolean('password-stdin')) return { username, password }
  return { username, password: (await readAllInput()).replace(/\n$/, '').replace(/\r$/, '') }
}

/** What cannot be read is as good as nothing: the user will be asked. */
async function findStored(shell: Shell, key: string): Promise<Credentials | undefined> {
  try {
    const found = await findCredentials(shell.config, key, shell.env)
    return found?.username && found.password ? found : undefined
  } catch {
    return undefined
  }
}

const HOW_TO_CHANGE = "To login with a different account, run 'docker logout' followed by 'docker login'"

/** Undefined where what is stored is not good any more. */
async function loginAgain(shell: Shell, key: string, stored: Credentials): Promise<string | undefined> {
  shell.printError(`Authenticating with existing credentials... [Username: ${stored.username}]\n`)
  const isFancy = isTerminal(2)
  const header = isFancy ? '\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m' : ' Info -> '
  shell.printError(`\n${header}${isFancy ? `\x1b[3m${HOW_TO_CHANGE}\x1b[0m` : HOW_TO_CHANGE}\n\n\n`)
  try {
    return await authenticate(shell, key, stored)
  } catch (error) {
    if (isFailure(error, 'unauthenticated')) shell.printError('Stored credentials invalid or expired\n')
    else shell.printError(`Login did not succeed, error: ${messageOf(error)}\n`)
    return undefined
  }
}

async function loginAnew(
  shell: Shell,
  key: string,
  given: Credentials,
  stored: Credentials | undefined,
): Promise<string> {
  if ((given.username === '' || given.password === '') && !isTerminal(0))
    throw new ExitCode(1, 'Error: Cannot perform an interactive login from a non TTY device')
  const username = given.username.trim() || (await askUser(shell, stored?.username ?? ''))
  const password = given.password.trim() || (await askSecretly(shell, 'Password: '))
  if (password === '') throw new ExitCode(1, 'Error: Password Required')
  return authenticate(shell, key, { username, password })
}

async function askUser(shell: Shell, known: string): Promise<string> {
  const answer = (await askFor(shell, known === '' ? 'Username: ' : `Username (${known}): `)) || known
  if (answer === '') throw new ExitCode(1, 'Error: Non-null Username Required')
  return answer
}

async function authenticate(shell: Shell, key: string, { username, password }: Credentials): Promise<string> {
  const { Status, IdentityToken } = await shell.connection.json<{ Status: string; IdentityToken?: string }>({
    ...{ method: 'POST', path: '/auth' },
    body: { username, password, serveraddress: key },
  })
  await keep(
    shell,
    key,
    IdentityToken ? { username, password: '', identitytoken: IdentityToken } : { username, password },
  )
  return Status
}

async function keep(shell: Shell, key: string, credentials: Credentials): Promise<void> {
  const helper = helperFor(shell.config, key) ?? defaultHelper(shell)
  try {
    if (helper !== undefined) storeInHelper(helper, key, credentials)
    const isNew = saveInFile(shell, key, helper === undefined ? credentials : undefined, helper)
    if (helper === undefined && isNew && credentials.password !== '')
      shell.printError(
        `\nWARNING! Your credentials are stored unencrypted in '${shell.configDirectory}/config.json'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n`,
      )
  } catch (error) {
    throw new ExitCode(1, `Error saving credentials: ${messageOf(error)}`)
  }
}

/** The platform's own store, where its helper is installed and nothing has been kept anywhere else yet. */
function defaultHelper({ config, env }: Shell): string | undefined {
  if (Object.keys(config.credHelpers ?? {}).length > 0 || Object.keys(config.auths ?? {}).length > 0) return undefined
  const name = isProgramThere('pass', env) ? 'pass' : 'secretservice'
  return isHelperThere(name, env) ? name : undefined
}

/** A registry whose secrets a helper keeps has an empty entry. False where nothing had to change. */
function saveInFile(
  shell: Shell,
  key: string,
  credentials: Credentials | undefined,
  helper: string | undefined,
): boolean {
  const entry = entryOf(credentials)
  if (JSON.stringify(shell.config.auths?.[key]) === JSON.stringify(entry)) return false
  changeConfig(shell.configDirectory, (config) => {
    config.auths = { ...config.auths, [key]: entry }
    if (helper !== undefined && helperFor(config, key) === undefined) config.credsStore = helper
  })
  return true
}

function entryOf(credentials: Credentials | undefined): { auth?: string; identitytoken?: string } {
  if (credentials === undefined) return {}
  const { username, password, identitytoken } = credentials
  const auth = Buffer.from(`${username}:${password}`).toString('base64')
  return identitytoken ? { auth, identitytoken } : { auth }
}

export const logout: Command = {
  description: 'Log out from a registry.\nIf no server is specified, the default is defined by the daemon.',
  flags: [],
  args: { min: 0, max: 1 },
  async run(shell, [server = '']) {
    const host = server === '' ? HUB : hostOf(server)
    // Older clients kept addresses.
    const keys = server === '' ? [HUB] : [server, host, `http://${host}`, `https://${host}`]
    shell.print(`Removing login credentials for ${host}\n`)
    const failures = new Map<string, string>()
    for (const key of keys) {
      try {
        erase(shell, key)
      } catch (error) {
        failures.set(key, messageOf(error))
      }
    }
    // A server given as its host stands there twice, and one of the two is never counted as a failure: so with the Docker CLI.
    if (failures.size === keys.length) {
      shell.printError('WARNING: could not erase credentials:\n')
      for (const [key, why] of failures) shell.printError(`${key}: ${why}\n`)
    }
    return 0
  },
}

function erase(shell: Shell, key: string): void {
  const helper = helperFor(shell.config, key)
  if (helper !== undefined) eraseInHelper(helper, key)
  if (shell.config.auths?.[key] === undefined) return
  changeConfig(shell.configDirectory, (config) => {
    delete config.auths?.[key]
  })
}
