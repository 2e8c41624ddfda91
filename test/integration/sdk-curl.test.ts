// curl and shell: the API as scripts use it that have no SDK. Each step is one line that somebody could type.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { must, run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { type TestRegistry, startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let image: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const PREFIX = `set -e -o pipefail
api() { method=$1; path=$2; shift 2; curl -sS --fail-with-body --unix-socket "$SOCKET" -X "$method" "http://localhost/v1.44$path" "$@"; }
post() { path=$1; shift; api POST "$path" -H 'Content-Type: application/json' "$@"; }
id() { sed 's/.*"Id":"\\([0-9a-f]*\\)".*/\\1/'; }
`

async function script(text: string): Promise<string> {
  const env = { SOCKET: engine.socketPath, IMAGE: image, DIR: engine.directory }
  return await must(['bash', '-c', PREFIX + text], { env })
}

test('an image is pulled with its progress, a container created, started, waited for, read and removed', async () => {
  const out = await script(`
    post "/images/create?fromImage=$IMAGE&tag=latest" | grep -c '"status"' | sed 's/^[1-9][0-9]*$/progress/'
    C=$(post "/containers/create?name=curled" -d "{\\"Image\\":\\"$IMAGE\\",\\"Cmd\\":[\\"sh\\",\\"-c\\",\\"echo out; exit 3\\"]}" | id)
    post "/containers/$C/start" -o /dev/null -w '%{http_code}\\n'
    post "/containers/$C/wait"
    api GET "/containers/$C/logs?stdout=1" --output - | tail -c 4
    api GET "/containers/curled/json" | grep -o '"ExitCode":[0-9]*'
    api DELETE "/containers/$C" -w '%{http_code}\\n'`)
  assert.deepEqual(out.split('\n'), ['progress', '204', '{"StatusCode":3}', 'out', '"ExitCode":3', '204'])
})

test('a file goes into a container and out again as an archive, with its facts in a header', async () => {
  const out = await script(`
    C=$(post /containers/create -d "{\\"Image\\":\\"$IMAGE\\"}" | id)
    echo content >"$DIR/given"; tar -C "$DIR" -cf - given | api PUT "/containers/$C/archive?path=/tmp" -H 'Content-Type: application/x-tar' --data-binary @-
    curl -sSI --unix-socket "$SOCKET" "http://localhost/v1.44/containers/$C/archive?path=/tmp/given" | tr -d '\\r' | sed -n 's/^X-Docker-Container-Path-Stat: //ip' | base64 -d | grep -o '"size":[0-9]*'
    api GET "/containers/$C/archive?path=/tmp/given" | tar -xOf -
    api DELETE "/containers/$C?force=1"`)
  assert.deepEqual(out.split('\n'), ['"size":8', 'content'])
})

test('an exec is created, started over a connection that is taken over, and inspected', async () => {
  const out = await script(`
    C=$(post /containers/create -d "{\\"Image\\":\\"$IMAGE\\",\\"Cmd\\":[\\"sleep\\",\\"1000\\"]}" | id)
    post "/containers/$C/start"
    E=$(post "/containers/$C/exec" -d '{"AttachStdout":true,"Tty":true,"Cmd":["sh","-c","echo inside; exit 5"]}' | id)
    post "/exec/$E/start" -d '{"Tty":true}' --output - | tr -d '\\r'
    api GET "/exec/$E/json" | grep -o '"ExitCode":[0-9]*'
    api DELETE "/containers/$C?force=1"`)
  assert.deepEqual(out.split('\n'), ['inside', '"ExitCode":5'])
})

test('a volume is made, used, refused while in use, and removed; an error is JSON with a message', async () => {
  const out = await script(`
    post /volumes/create -d '{"Name":"curled"}' | grep -o '"Name":"[a-z]*"'
    C=$(post /containers/create -d "{\\"Image\\":\\"$IMAGE\\",\\"Cmd\\":[\\"touch\\",\\"/v/made\\"],\\"HostConfig\\":{\\"Binds\\":[\\"curled:/v\\"]}}" | id)
    post "/containers/$C/start"; post "/containers/$C/wait" >/dev/null
    api DELETE /volumes/curled 2>/dev/null | grep -o 'remove curled: volume is in use' || true
    api DELETE "/containers/$C"
    ls "$DIR/data/volumes/curled/_data"
    api DELETE /volumes/curled -w '%{http_code}\\n'`)
  assert.deepEqual(out.split('\n'), ['"Name":"curled"', 'remove curled: volume is in use', 'made', '204'])
  const missing = await run(['curl', '-sS', '--unix-socket', engine.socketPath, 'http://localhost/volumes/curled'])
  assert.equal(missing.stdout.trim(), '{"message":"get curled: no such volume"}')
})
