import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Hono } from 'hono'
import { factsBehind, readBytes } from '../disk/files.js'
import type { Env } from './asked.js'
import { plain } from './reply.js'

/** All that the page may do: run its own script, look as its own style says, and ask this server. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Cairn</title>
<link rel="icon" href="/page.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/page.js"></script>
</head>
<body><div id="page"></div><noscript>This page is drawn by its script; MLflow's API is answered without it.</noscript></body>
</html>
`

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="#0f766e"><ellipse cx="16" cy="26" rx="13" ry="4.5"/><ellipse cx="15" cy="18" rx="9" ry="4" fill="#14948a"/><ellipse cx="17" cy="11" rx="6.5" ry="3.2"/><ellipse cx="16" cy="5.5" rx="4" ry="2.3" fill="#2dbdb0"/></g></svg>`

const TYPES = { 'page.js': 'text/javascript; charset=utf-8', 'page.css': 'text/css; charset=utf-8' } as const

const NO_PAGE =
  'The files of the page are not beside the code of the server: leave cairn-ml out of the bundle (external); where its sources run, npm run build makes them'

interface Asset {
  readonly body: Uint8Array<ArrayBuffer>
  readonly etag: string
}

/**
 * Where the built page lies: beside this file in the package, in `dist` when the source itself runs; nowhere when a bundler
 * has made another module of it.
 */
function places(): string[] {
  try {
    return ['./', '../../dist/'].map((place) => fileURLToPath(new URL(place, import.meta.url)))
  } catch {
    return []
  }
}

async function load(name: string): Promise<Asset | undefined> {
  for (const place of places()) {
    if ((await factsBehind(place + name))?.kind !== 'file') continue
    const body = new Uint8Array(await readBytes(place + name))
    return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
  }
  return undefined
}

/** The page and what it is made of, each with a policy that lets nothing else in. */
export function assetRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  const page = () =>
    new Response(PAGE, {
      headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' },
    })
  app.get('/', page).get('/index.html', page)
  for (const path of ['/page.svg', '/favicon.ico'])
    app.get(path, () => new Response(ICON, { headers: { ...HEADERS, 'content-type': 'image/svg+xml' } }))
  for (const [name, type] of Object.entries(TYPES)) {
    let loaded: Promise<Asset | undefined> | undefined
    app.get(`/${name}`, async (asked) => {
      loaded ??= load(name)
      const asset = await loaded
      if (!asset) {
        loaded = undefined
        return plain(NO_PAGE, 503)
      }
      const headers = { ...HEADERS, 'content-type': type, etag: asset.etag, 'cache-control': 'no-cache' }
      if (asked.req.header('if-none-match') === asset.etag) return new Response(null, { status: 304, headers })
      return new Response(asset.body, { headers })
    })
  }
  return app
}
