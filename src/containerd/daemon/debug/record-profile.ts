// Where the processor's time goes, over a while: V8's own sampler.
import { Session } from 'node:inspector/promises'
import type { Profiler } from 'node:inspector'
import { Failure } from '../../../base/failure.ts'

let isRecording = false

/** One at a time: throws `failed-precondition` while another is recorded. Costs nothing before and after. */
export async function recordCpuProfile(seconds: number): Promise<Profiler.Profile> {
  if (isRecording)
    throw new Failure('failed-precondition', 'Could not enable CPU profiling: cpu profiling already in use')
  isRecording = true
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    const { profile } = await session.post('Profiler.stop')
    return profile
  } finally {
    session.disconnect()
    isRecording = false
  }
}
