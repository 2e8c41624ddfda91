// The OCI's conformance suite of registries against berth-registry: every workflow, none left out. Exit code 1 where anything fails, or where
// the last run, which has everything switched on, skips anything.
//   node build/js/test/conformance/registry.js [prepare]
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../harness/command.ts'
import { startRegistryProcess } from '../harness/our-registry.ts'
import { ROOT } from '../harness/root.ts'
import { fetchModule, go } from './go-module.ts'

const MODULE = 'github.com/opencontainers/distribution-spec/conformance'
/** Of the suite of distribution-spec 1.1 and what comes after it. */
const VERSION = 'v0.0.0-20260831232431-97274622c111'
const HOME = join(ROOT, 'build/conformance/registry')
const PROGRAM = join(HOME, 'conformance')
const RUN_MS = 300_000

interface Workflow {
  title: string
  environment: Record<string, string>
  /** Parts of the registry's configuration. */
  config: Record<string, unknown>
  mustSkipNothing: boolean
}

const WORKFLOWS: readonly Workflow[] = [
  { title: 'distribution-spec 1.1', environment: { OCI_VERSION: '1.1' }, config: {}, mustSkipNothing: false },
  { title: 'what comes after 1.1', environment: { OCI_VERSION: 'dev' }, config: {}, mustSkipNothing: false },
  {
    title: 'everything',
    // Manifests over blobs that were never pushed are refused unless the configuration says otherwise.
    environment: { OCI_VERSION: 'dev', OCI_DATA_SPARSE: 'true' },
    config: { validation: { disabled: true } },
    mustSkipNothing: true,
  },
]

await prepare()
if (process.argv[2] !== 'prepare') {
  const failures: string[] = []
  for (const workflow of WORKFLOWS) failures.push(...(await runWorkflow(workflow)))
  console.log(failures.length === 0 ? '\nnothing failed' : `\n${failures.join('\n')}`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

async function prepare(): Promise<void> {
  if (existsSync(join(HOME, 'done'))) return
  await fetchModule(MODULE, VERSION, HOME)
  await go(HOME, ['build', '-o', PROGRAM, '.'], { CGO_ENABLED: '0' })
  await writeFile(join(HOME, 'done'), VERSION)
}

async function runWorkflow({ title, environment, config, mustSkipNothing }: Workflow): Promise<string[]> {
  await using registry = await startRegistryProcess(config)
  const results = await mkdtemp(join(tmpdir(), 'berth-conformance-'))
  try {
    const env = { OCI_REGISTRY: registry.host, OCI_TLS: 'disabled', OCI_RESULTS_DIR: results, ...environment }
    const { code, stdout, stderr } = await run([PROGRAM], { cwd: HOME, env, timeoutMs: RUN_MS })
    const report = await readFile(join(results, 'junit.xml'), 'utf8').catch(() => '')
    // A count of none is left out.
    const totals = /<testsuites [^>]*>/.exec(report)?.[0]
    if (totals === undefined) return [`${title}: no report\n${stdout}\n${stderr}`]
    const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(totals)?.[1] ?? 0)
    console.log(`${title}: ${count('tests')} tests, ${count('failures')} failed, ${count('skipped')} skipped`)
    return [
      ...(code === 0 && count('failures') + count('errors') === 0 && count('tests') > 0
        ? []
        : [`${title}: exit ${code}\n  ${namesOf(report, 'failure').join('\n  ')}`]),
      ...(count('skipped') === 0 || !mustSkipNothing ? [] : [`${title}: ${namesOf(report, 'skipped').join('\n  ')}`]),
    ]
  } finally {
    await rm(results, { recursive: true, force: true })
  }
}

/** Of the test cases with this outcome. */
function namesOf(report: string, status: string): string[] {
  return [...report.matchAll(/<testcase name="([^"]*)"[^>]* status="(\w+)"/g)]
    .filter(([, , outcome]) => outcome === status)
    .map(([, name = '']) => name)
}
