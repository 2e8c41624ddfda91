// `exec-opts`: options of running containers, of which Linux has one.
import { Failure } from '../../base/failure.ts'

export interface ExecOptions {
  /** Who makes the control groups: we, or systemd at our request. */
  cgroupDriver: 'cgroupfs' | 'systemd'
}

/** `native.cgroupdriver=systemd`. Throws in Docker's words. */
export function parseExecOptions(texts: readonly string[]): ExecOptions {
  const options: ExecOptions = { cgroupDriver: 'cgroupfs' }
  for (const text of texts) {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? []
    const key = name.trim().toLowerCase()
    if (key === '' || value.trim() === '') throw invalid(text, "must be formatted 'opt=value'")
    if (key === 'isolation') throw invalid(text, "option 'isolation' is only supported on windows")
    if (key !== 'native.cgroupdriver') throw invalid(text, `unknown option: '${key}'`)
    options.cgroupDriver = cgroupDriver(value.trim())
  }
  return options
}

function cgroupDriver(value: string): ExecOptions['cgroupDriver'] {
  if (value === 'cgroupfs' || value === 'systemd') return value
  const reason = value === 'none' ? 'is internally used and cannot be specified manually' : 'not supported'
  throw new Failure('invalid-argument', `native.cgroupdriver option ${value} ${reason}`)
}

function invalid(text: string, reason: string): Failure {
  return new Failure('invalid-argument', `invalid exec-opt (${text}): ${reason}`)
}
