// Runs a directory (PLC) and a personal data server (PDS) on loopback until standard input ends:
//   node start.mjs [plc-port] [pds-port]
// Prints one JSON line with the server's address and the accounts it has made.
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mypost-pds-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
process.env.TMPDIR = folder
process.env.LOG_ENABLED = 'false'

// Both servers would listen on every interface.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (...words) {
  return typeof words[0] === 'number'
    ? listen.call(this, words[0], '127.0.0.1', ...words.slice(1).filter((word) => word !== undefined))
    : listen.apply(this, words)
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer()
    probe.on('error', reject)
    probe.listen(0, () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

async function call(url, method, body, token) {
  const headers = { 'content-type': 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  const answer = await fetch(`${url}/xrpc/${method}`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

async function account(url, name) {
  const handle = `${name}.test`
  const made = await call(url, 'com.atproto.server.createAccount', {
    email: `${name}@example.com`, handle, password: `${name}-password`,
  })
  const app = await call(url, 'com.atproto.server.createAppPassword', { name: 'mypost' }, made.accessJwt)
  return { did: made.did, credentials: { identifier: handle, app_password: app.password } }
}

const { TestNetworkNoAppView } = await import('@atproto/dev-env')
const [plc, pds] = process.argv.slice(2).map(Number)
const network = await TestNetworkNoAppView.create({
  plc: { port: plc || (await freePort()) },
  pds: { port: pds || (await freePort()), hostname: 'localhost', enableDidDocWithSession: true },
})
const url = `http://127.0.0.1:${network.pds.port}`
const accounts = { alice: await account(url, 'alice'), bob: await account(url, 'bob') }
process.stdout.write(`${JSON.stringify({ url, accounts })}\n`)

async function end() {
  // What a client keeps open must not keep us.
  setTimeout(() => process.exit(0), 2000).unref()
  await network.close().catch(() => undefined)
  process.exit(0)
}
process.stdin.resume().on('end', end).on('close', end)
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, end)
