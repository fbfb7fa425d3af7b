// Express with better-auth, as its guide sets it up, with bcrypt at cost 12, on the SQLite file peer.db of the folder it
// runs in: `node server.mjs PORT`. As many processes as there are cores, as Node's cluster module does it.
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import bcrypt from 'bcrypt'
import Database from 'better-sqlite3'
import express from 'express'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { fromNodeHeaders, toNodeHandler } from 'better-auth/node'

const COST = 12
const port = Number(process.argv[2])

function open() {
  const database = new Database('peer.db')
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
  return database
}

const options = {
  database: open(),
  baseURL: `http://127.0.0.1:${port}`,
  secret: 'no secret: it serves a measurement on loopback',
  telemetry: { enabled: false },
  // A measurement logs in more often than any visitor may.
  rateLimit: { enabled: false },
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => bcrypt.hash(password, COST),
      verify: ({ hash, password }) => bcrypt.compare(password, hash),
    },
  },
}

const page = (title, content) => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/static/app.css">
</head>
<body>
<header><a href="/">Example</a></header>
<main>${content}</main>
</body>
</html>
`

const escape = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

function serve() {
  const auth = betterAuth(options)
  const app = express()
  app.all('/api/auth/*any', toNodeHandler(auth))
  app.get('/login', (_, answer) => {
    answer.send(page('Log in', `<h1>Log in</h1>
<form method="post" action="/api/auth/sign-in/email">
<label>E-mail address <input type="email" name="email" required></label>
<label>Password <input type="password" name="password" required></label>
<button type="submit">Log in</button>
</form>`))
  })
  app.get('/profile', async (request, answer) => {
    const found = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) })
    if (!found) return answer.redirect(303, '/login')
    if (request.accepts(['json', 'html']) === 'json') return answer.json({ email: found.user.email })
    answer.send(page('Profile', `<h1>Your profile</h1>
<dl><dt>E-mail address</dt><dd>${escape(found.user.email)}</dd></dl>
<form method="post" action="/api/auth/sign-out"><button type="submit">Log out</button></form>`))
  })
  app.listen(port, '127.0.0.1')
}

if (cluster.isPrimary) {
  const { runMigrations } = await getMigrations(options)
  await runMigrations()
  for (let core = 0; core < availableParallelism(); core++) cluster.fork()
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill()
    process.exit(0)
  })
} else {
  serve()
}
