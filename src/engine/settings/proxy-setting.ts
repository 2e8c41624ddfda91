// The proxies that the daemon goes through: from the configuration, or from the environment that it was started with.

export interface ProxySettings {
  readonly http: string
  readonly https: string
  /** Hosts that are reached without. */
  readonly no: string
}

/** What is configured goes before the environment. */
export function chooseProxies(configured: ProxySettings, env: NodeJS.ProcessEnv): ProxySettings {
  const either = (name: string) => env[name.toUpperCase()] ?? env[name] ?? ''
  return {
    http: configured.http || either('http_proxy'),
    https: configured.https || either('https_proxy'),
    no: configured.no || either('no_proxy'),
  }
}

/** For whoever reads the environment: the client for registries, and containerd, which is our child. */
export function exportProxies({ http, https, no }: ProxySettings, env: NodeJS.ProcessEnv): void {
  for (const [name, value] of [
    ['http_proxy', http],
    ['https_proxy', https],
    ['no_proxy', no],
  ] as const) {
    if (value === '') continue
    env[name] = value
    env[name.toUpperCase()] = value
  }
}

/** As clients may see it: `http://xxxxx:xxxxx@proxy`. */
export function maskCredentials(address: string): string {
  if (!URL.canParse(address)) return address
  const url = new URL(address)
  if (url.username === '' && url.password === '') return address
  return address.replace(/^([^:]+:\/\/)[^@/]*@/, '$1xxxxx:xxxxx@')
}
