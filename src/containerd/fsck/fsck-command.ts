// `berth-containerd fsck`: checks what the daemon keeps, and with --repair mends what can be mended.
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isFailure, messageOf } from '../../base/failure.ts'
import { createLog } from '../../base/log.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { lockRoot } from '../lock-root.ts'
import { check } from './check.ts'
import { type Finding, FINDING_CODES, formatFinding } from './finding.ts'
import { repair } from './repair.ts'

const USAGE = `berth-containerd fsck: checks content, snapshots, images, containers and leases against each other

  --repair       mend what can be mended; the rest is told
  --read-only    do not ask for the lock: beside a running daemon, what it is just changing may be told as a finding
  --root DIR     as the daemon's (default /var/lib/berth/containerd)
  --state DIR    as the daemon's (default /run/berth/containerd)

One line per finding: damage or note, a code, what it is about, a sentence. Exit code 0: no damage (or all of it mended),
1: damage, 2: it could not be checked.
`

const EXIT = { clean: 0, damage: 1, failed: 2 } as const

const OPTIONS = {
  repair: { type: 'boolean' },
  'read-only': { type: 'boolean' },
  root: { type: 'string' },
  state: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/** @returns the exit code. */
export async function runFsck(argv: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true })
    if (values.help) {
      process.stdout.write(USAGE)
      return EXIT.clean
    }
    const root = values.root ?? '/var/lib/berth/containerd'
    const state = values.state ?? '/run/berth/containerd'
    if (!existsSync(root)) return fail(`${root} is not there`)
    if (values['read-only'])
      return values.repair ? fail('--repair cannot be read-only') : report(await check(root, state))
    using _ = lockRoot(openNativeKernel(), root)
    return values.repair ? await mend(root, state) : report(await check(root, state))
  } catch (error) {
    return fail(
      isFailure(error, 'already-exists') ? `${error.message}; stop the daemon, or try --read-only` : messageOf(error),
    )
  }
}

function fail(text: string): number {
  process.stderr.write(`berth-containerd fsck: ${text}\n`)
  return EXIT.failed
}

function isDamage({ code }: Finding): boolean {
  return FINDING_CODES[code] === 'damage'
}

function report(findings: readonly Finding[]): number {
  for (const finding of findings) process.stdout.write(formatFinding(finding))
  return findings.some(isDamage) ? EXIT.damage : EXIT.clean
}

/** Twice: what a rebuilt database knows can only be checked when it is there. */
async function mend(root: string, state: string): Promise<number> {
  const log = createLog('warn')
  let mended: Finding[] = []
  for (let round = 0; round < 2; round++) {
    const findings = await check(root, state)
    const repairable = findings.filter((finding) => finding.repair !== undefined && isDamage(finding))
    if (repairable.length === 0) break
    await repair(root, state, repairable, log)
    mended = [...mended, ...repairable]
  }
  for (const finding of mended) process.stdout.write(formatFinding(finding, 'mended'))
  return report(await check(root, state))
}
