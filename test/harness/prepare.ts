// Makes what several integration tests share and what takes long, and says what will be left out: run once before them.
import { containerdTwo, skipWithoutContainerdTwo } from './containerd-two.ts'
import { ctrTwo } from './ctr-two.ts'
import { debianBase, debianWithRedis } from './debian.ts'
import { skipWithoutDocker28 } from './docker-cli.ts'
import { installDockerPy } from './docker-py.ts'
import { goSdkTests, skipWithoutGoSdk } from './go-sdk.ts'
import { messageOf } from '../../src/base/failure.ts'
import { goProgram, skipWithoutGo } from './go-programs.ts'
import { nerdctl, skipWithoutNerdctl } from './nerdctl.ts'
import { installMoto, skipWithoutMoto } from './s3-server.ts'

if (skipWithoutDocker28 !== false)
  console.log(`note: comparisons with the Docker CLI are left out: ${skipWithoutDocker28}`)
await debianBase()
await debianWithRedis()
// From the Go module proxy and from PyPI, which the tests' own network does not reach.
for (const [skip, build] of [
  [await skipWithoutContainerdTwo(), async () => [await ctrTwo(), await containerdTwo()]],
  [await skipWithoutNerdctl(), nerdctl],
  [await skipWithoutGoSdk(), goSdkTests],
  [await skipWithoutGo('crane'), () => goProgram('crane')],
  [await skipWithoutGo('cosign'), () => goProgram('cosign')],
  [await skipWithoutGo('oras'), () => goProgram('oras')],
  [await skipWithoutMoto(), installMoto],
] as const)
  if (skip === false) await build()
  else console.log(`note: tests are left out: ${skip}`)
// Some two hundred modules of others: where one can't be had, what needs it is left out.
for (const name of ['zot', 'versitygw'] as const) {
  const skip = await skipWithoutGo(name)
  if (skip !== false) console.log(`note: tests are left out: ${skip}`)
  else
    await goProgram(name).catch((error: unknown) =>
      console.log(`note: ${name} can't be built: ${messageOf(error).slice(0, 500)}`),
    )
}
const withoutPyPi = await installDockerPy()
if (withoutPyPi !== undefined) console.log(`note: Debian's docker-py is used, PyPI's can't be had: ${withoutPyPi}`)
