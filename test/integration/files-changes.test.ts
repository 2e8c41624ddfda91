// `docker diff` and `docker export`: the same as the original dockerd's, for containers that run, have run and never ran.
import { after, before, describe, test } from 'node:test'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { pushBusybox } from '../harness/images.ts'

let pair: EnginePair | undefined

before(async () => {
  pair = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest')
    return `${registry.host}/pair`
  })
})

after(async () => {
  await pair?.[Symbol.asyncDispose]()
})

/** An archive as tar lists it, without times: those of the image's own directories are each daemon's. */
const LIST = `tar --numeric-owner -tvf - | sed -E 's/ [0-9-]{10} [0-9:]{5} / /'`
const CHANGES = [
  'mkdir -p /new/a/b /tmp/x; echo 1 > /new/a/b/c; ln /new/a/b/c /new/h',
  'rm -r /home; rm /etc/group',
  'chmod 700 /root; chown 5:6 /etc/passwd',
  'touch -d "2001-01-01 00:00:00" /bin/busybox',
  'rm -r /var/www; mkdir /var/www; echo n > /var/www/index',
  'ln -s a /lnk; mkfifo /fifo',
  'rm /bin/ls; mkdir /bin/ls; touch /bin/ls/f',
  'rm -r /var; echo file > /var',
  'rm /etc/mtab',
  'echo x > /vol/x; mkdir /vol/y',
  'cp -a /bin/vi /tmp; touch /tmp/gone; rm /tmp/gone',
  'mv /home /house',
  'chmod 600 /etc/passwd; chmod 644 /etc/passwd',
  'test -f /.dockerenv; readlink /etc/mtab',
]

describe('changes and the whole root, as the original tells them', { concurrency: 2 }, () => {
  for (const [index, script] of [...CHANGES, CHANGES.slice(0, -3).join('; ')].entries())
    test(script, async () => {
      const c = `changed-${index}`
      await pair?.assertSame(
        `docker run --name ${c} --net none -v /vol pair sh -c '${script.replaceAll("'", "'\\''")}'; docker diff ${c} | sort; docker export ${c} | ${LIST}; docker rm -fv ${c}`,
        { expect: / proc\/$/m },
      )
    })
})

describe('states', () => {
  test('a running container: its mounts are not in the export, their places are', async () => {
    await pair?.assertSame(
      `docker run -d --name running --net none --tmpfs /tf -v /vol pair sh -c 'touch /tf/hidden /vol/hidden /seen; sleep 1000' >/dev/null
       until docker exec running test -e /seen; do :; done
       docker export running | ${LIST}; docker diff running | sort; docker rm -fv running`,
      { expect: /A \/seen\nA \/tf\nA \/vol/ },
    )
  })

  test('a container that never ran has changed nothing, and is its image with what all containers get', async () => {
    await pair?.assertSame(
      `docker create --name fresh --net none pair >/dev/null; docker diff fresh
       curl -s --unix-socket \${DOCKER_HOST#unix://} http://x/v1.41/containers/fresh/changes
       docker export fresh | ${LIST}; docker export -o out.tar fresh; stat -c %a out.tar; docker rm fresh`,
      { expect: /^null\n/ },
    )
  })

  test('a container that is not there', async () => {
    await pair?.assertSame('docker export nope; docker diff nope', { expect: /No such container: nope/ })
  })

  test('a terminal gets no archive', async () => {
    await pair?.assertSame(
      'docker create --name tty --net none pair >/dev/null; script -qec "docker export tty" /dev/null; docker rm tty',
      {
        expect: /cowardly refusing/,
      },
    )
  })
})
