// Makes what several integration tests share and what takes long, and says what will be left out: run once before them.
import { containerdTwo, skipWithoutContainerdTwo } from './containerd-two.ts'
import { ctrTwo } from './ctr-two.ts'
import { debianBase } from './debian.ts'
import { skipWithoutDocker28 } from './docker-cli.ts'
import { nerdctl, skipWithoutNerdctl } from './nerdctl.ts'

if (skipWithoutDocker28 !== false)
  console.log(`note: comparisons with the Docker CLI are left out: ${skipWithoutDocker28}`)
await debianBase()
// From the Go module proxy, which the tests' own network does not reach.
for (const [skip, build] of [
  [await skipWithoutContainerdTwo(), async () => [await ctrTwo(), await containerdTwo()]],
  [await skipWithoutNerdctl(), nerdctl],
] as const)
  if (skip === false) await build()
  else console.log(`note: tests are left out: ${skip}`)
