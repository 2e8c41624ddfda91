// berth's cp, diff, export and commit, each on its engine, beside the Docker CLI on the original dockerd.
import { after, before, describe, test } from 'node:test'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { type EnginePair, type PairOptions, startEnginePair } from '../harness/engine-pair.ts'
import { pushBusybox } from '../harness/images.ts'
import { CP, LINES, MAKE_SOURCES, SHOW } from './files-cp-lines.ts'

let pair: EnginePair | undefined

before(async () => {
  pair = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest', { Cmd: ['sleep', '1000'] })
    return `${registry.host}/pair`
  })
  await pair?.both(MAKE_SOURCES)
})

after(async () => {
  await pair?.[Symbol.asyncDispose]()
})

const same = (script: string, options: PairOptions) =>
  pair?.assertSame(script, {
    client: 'each its own',
    ...options,
    normalise: (text) =>
      (options.normalise?.(text) ?? text).replaceAll('berth', 'docker').replaceAll('Berth', 'Docker'),
  })

describe('cp into a container', { skip: skipWithoutDocker28, concurrency: 2 }, () => {
  for (const [index, line] of LINES.entries())
    test(line, async () => {
      const c = `into-${index}`
      await same(
        `C=${c}; ${CP}docker run -d --name $C --net none -v /vol pair >/dev/null; ${line}; docker exec $C ${SHOW}; docker rm -fv $C >/dev/null`,
        { expect: /\/tmp directory/, normalise: (text) => text.replaceAll(c, 'C') },
      )
    })
})

/** Each in a directory of its own, with container `source`. */
const OUT = [
  'cp source:/t .; cp source:/t/d .; cp source:/t/d/ e; cp source:/t/d/. f',
  'cp source:/t/file .; cp source:/t/file other; cp source:/t/file dir/; mkdir dir; cp source:/t/file dir/; cp source:/t/file dir',
  'cp source:/t/link .; cp -L source:/t/link followed; cp -L source:/t/link .',
  'cp source:/t/dlink .; cp source:/t/dlink/ g; cp -L source:/t/dlink h; cp -L source:/t/dlink .',
  'cp source:/t/missing .; cp source:/t/d file-in/the/way; cp nope:/t .; cp source:/t/file missing/x',
  'echo x > d; cp source:/t/d d; cp source:/t/file d; mkdir file; cp source:/t/file file; cp source:/t/d file',
  'mkdir -p t/file; cp source:/t .; rm -r t; mkdir t; echo > t/d; cp source:/t .',
  'mkdir real; ln -s real ln; cp source:/t/file ln; cp source:/t/file ln/; ln -s nowhere new; cp source:/t/file new; cp source:/t/d ln',
  'cp source:/t - | tar tf -; cp source:/t/file - | tar xOf -; cp -q source:/t/file q; cp -a source:/t a',
  'cp source:/t/fifo .; cp source:/t/loop .; cp -L source:/t/loop .; cp source:/t/dangling .; cp -L source:/t/dangling .',
  'docker cp -q=false source:/t/file . 2>&1; docker cp --quiet=false source:/t/d . 2>&1; docker cp -q=false d source:/tmp 2>&1',
  'cp source:/t/file /dev/null; cp source:t/file rel; cp ./nothing source:/t; cp a:b c:d; cp a b',
  'cp source:/etc/hostname x; cp source:/ root; ls root',
]

describe('cp out of a container', { skip: skipWithoutDocker28, concurrency: 2 }, () => {
  before(async () => {
    await pair?.both(
      `docker run -d --name source --hostname source --net none pair sh -c 'mkdir -p /t/d/e; echo hello > /t/file; chmod 4755 /t/file; ln -s file /t/link; ln -s /t/d /t/dlink; ln /t/file /t/hard; mkfifo /t/fifo; ln -s nowhere /t/dangling; ln -s loop /t/loop; echo inner > /t/d/e/f; chown -R 3:4 /t/d; chmod 1777 /t/d; touch -h -d 200102030405 /t/* /t/d/* /t/d/e/f /t; touch /ready; sleep 1000'; until docker exec source test -e /ready; do :; done`,
    )
  })
  for (const [index, line] of OUT.entries())
    test(line, async () => {
      await same(
        `${CP}mkdir -p out-${index}; cd out-${index}; ${line}; find . -maxdepth 5 ! -path './root/*' -type d -printf '%p %y %m %u:%g\\n' -o ! -path './root/*' -printf '%p %y %m %u:%g %s %n %l\\n' | sort`,
        { expect: /^\. d 755/m },
      )
    })
})

describe('the others', { skip: skipWithoutDocker28 }, () => {
  test('diff, export and commit', async () => {
    await same(
      `docker run --name others --net none pair sh -c 'mkdir /new; echo > /new/x; rm /etc/group; chmod 700 /root'; docker diff others | sort; docker export others | tar tf - | grep -v bin/; docker export -o out others; stat -c %a out; tar tf out | wc -l
       docker export -o /nowhere/x others; docker export -o . others; docker export -o /dev/null others; docker export nope; docker diff nope; docker diff; docker export a b
       docker commit -m msg -a me -c 'CMD x' -c 'ENV a=b' others made:tag | cut -c1-7; command docker image inspect -f '{{json .Config}} {{.Author}} {{.Comment}}' made:tag | sed -E 's/"Hostname":"[^"]*",//'; docker commit -p=false others >/dev/null; docker commit others UPPER; docker commit others a@sha256:0000000000000000000000000000000000000000000000000000000000000000; docker commit; docker commit nope x; docker commit others a b -p
       docker rm others; docker rmi made:tag >/dev/null`,
      { expect: /A \/new\/x\n/ },
    )
  })

  for (const name of ['cp', 'diff', 'export', 'commit'])
    test(`help of ${name}`, async () => {
      await same(`docker ${name} --help; docker container ${name} --help`, { expect: /Usage:/ })
    })
})
