// Makes what several integration tests share and what takes long, and says what will be left out: run once before them.
import { debianBase } from './debian.ts'
import { skipWithoutDocker28 } from './docker-cli.ts'

if (skipWithoutDocker28 !== false)
  console.log(`note: comparisons with the Docker CLI are left out: ${skipWithoutDocker28}`)
await debianBase()
