// The flags before the command.
import { configDirectory } from './connection/config-file.ts'
import type { Flag } from './flags.ts'
import { goQuote } from '../base/go/go-quote.ts'

export function globalFlags(env: NodeJS.ProcessEnv): readonly Flag[] {
  const directory = configDirectory(undefined, env)
  const certificates = env['DOCKER_CERT_PATH'] || directory
  const file = (base: string) => goQuote(`${certificates}/${base}`)
  return [
    { name: 'config', kind: 'string', usage: 'Location of client config files', default: goQuote(directory) },
    {
      name: 'context',
      short: 'c',
      kind: 'string',
      usage:
        'Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set with "docker context use")',
    },
    { name: 'debug', short: 'D', kind: 'boolean', usage: 'Enable debug mode' },
    { name: 'help', kind: 'boolean', usage: 'Print usage', hidden: true },
    { name: 'h', short: 'h', kind: 'boolean', usage: '', hidden: true, aliasOf: 'help', shortNotice: true },
    { name: 'host', short: 'H', kind: 'list', usage: 'Daemon socket to connect to' },
    {
      name: 'log-level',
      short: 'l',
      kind: 'string',
      usage: 'Set the logging level ("debug", "info", "warn", "error", "fatal")',
      default: '"info"',
    },
    { name: 'tls', kind: 'boolean', usage: 'Use TLS; implied by --tlsverify' },
    { name: 'tlscacert', kind: 'string', usage: 'Trust certs signed only by this CA', default: file('ca.pem') },
    { name: 'tlscert', kind: 'string', usage: 'Path to TLS certificate file', default: file('cert.pem') },
    { name: 'tlskey', kind: 'string', usage: 'Path to TLS key file', default: file('key.pem') },
    { name: 'tlsverify', kind: 'boolean', usage: 'Use TLS and verify the remote' },
    { name: 'version', short: 'v', kind: 'boolean', usage: 'Print version information and quit' },
  ]
}
