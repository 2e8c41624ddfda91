// Which Docker CLI is here. What compares our words with its words, or expects its newest, is written for 28.
import { spawnSync } from 'node:child_process'

const VERSION = /version (\d+)/.exec(spawnSync('docker', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]

/** For a test's `skip`: false where the CLI is 28 or newer, else why not. */
export const skipWithoutDocker28: string | false =
  Number(VERSION ?? 0) >= 28 ? false : `the Docker CLI here is ${VERSION ?? 'missing'}, this is written for 28`
