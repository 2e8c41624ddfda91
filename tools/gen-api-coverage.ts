// docs/api-coverage.md from the table of routes and the list of Docker's endpoints (docker-endpoints.tsv beside this file).
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROUTES } from '../src/api/routes.ts'
import { ABSENT_ROUTES } from '../src/api/absent-routes.ts'

export interface Endpoint {
  method: string
  /** With the names of parameters that Docker's documents give them. */
  path: string
  area: string
  since: string
  /** core, useful, extra, swarm, plugin, deprecated. */
  tier: string
  state: 'served' | 'answered' | 'missing'
}

/** Every endpoint of Docker's, with what becomes of a request for it. @param root of the tree */
export function listEndpoints(root: string): Endpoint[] {
  const served = new Set(ROUTES.map(({ method, path }) => keyOf(method, path)))
  const absent = new Set<string>(ABSENT_ROUTES.map(({ method, path }) => keyOf(method, path)))
  const [, ...lines] = readFileSync(join(root, 'tools/docker-endpoints.tsv'), 'utf8').trim().split('\n')
  return lines.map((line) => {
    const [method = '', path = '', area = '', since = '', tier = ''] = line.split('\t')
    const key = keyOf(method, path)
    const state = absent.has(key) ? 'answered' : served.has(key) ? 'served' : 'missing'
    return { method, path, area, since, tier, state }
  })
}

export function formatCoverage(endpoints: readonly Endpoint[]): string {
  const areas = [...new Set(endpoints.map(({ area }) => area))].sort()
  const rows = areas.map((area) => {
    const own = endpoints.filter((endpoint) => endpoint.area === area)
    return `| ${area} | ${own.length} | ${(['served', 'answered', 'missing'] as const).map((state) => own.filter((each) => each.state === state).length).join(' | ')} |`
  })
  const sections = areas.map((area) => {
    const lines = endpoints
      .filter((endpoint) => endpoint.area === area)
      .map(({ method, path, since, tier, state }) => `| ${method} | \`${path}\` | ${since} | ${tier} | ${state} |`)
    return `## ${area}\n\n| method | path | since | tier | here |\n|---|---|---|---|---|\n${lines.join('\n')}\n`
  })
  return `${HEAD}\n| area | endpoints | served | answered | missing |\n|---|---|---|---|---|\n${rows.join('\n')}\n\n${sections.join('\n')}`
}

const HEAD = `# Coverage of Docker's Engine API

Written by \`tools/gen-api-coverage.ts\` (\`make gen\`) from the table of routes and the list of Docker's endpoints; a test says when it is out of date.
*Served*: there is the thing itself. *Answered*: this engine has none of it, and says so as a Docker that has none does. *Missing*: \`page not found\`.
`

/** Names of parameters do not matter. */
function keyOf(method: string, path: string): string {
  return `${method} ${path.replaceAll(/\{\w+\}/g, '{}')}`
}

if (process.argv[1]?.endsWith('gen-api-coverage.js')) {
  const root = process.argv[2] ?? '.'
  writeFileSync(join(root, 'docs/api-coverage.md'), formatCoverage(listEndpoints(root)))
}
