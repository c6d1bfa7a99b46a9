// The page at `/status`: what runs, where, and what to try.

import type { Status } from "./status.ts";

const style = `
:root { color-scheme: light dark; --ink: #16211c; --soft: #5c6b64; --line: #d9e2dd; --paper: #fbfdfc; --mark: #0d8a5f; --code: #eef4f1 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eeea; --soft: #94a59d; --line: #26332d; --paper: #0e1512; --mark: #3fcf97; --code: #16211c }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 ui-sans-serif, system-ui, sans-serif }
main { max-width: 44rem; margin: 0 auto; padding: 4rem 1.25rem 5rem }
h1 { font-size: 2rem; letter-spacing: -.02em; margin: 0 0 .25rem }
h2 { font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; color: var(--soft); margin: 2.75rem 0 .75rem }
p { margin: 0 0 1rem; color: var(--soft) }
code, pre { font: .85rem/1.6 ui-monospace, SFMono-Regular, Menlo, monospace }
pre { background: var(--code); border-radius: .6rem; padding: .9rem 1rem; margin: 0 0 .75rem; overflow-x: auto }
table { width: 100%; border-collapse: collapse }
td { padding: .55rem 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
td:first-child { width: 9.5rem; color: var(--soft); white-space: nowrap; padding-right: 1rem }
.chips { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; margin: 0; list-style: none }
.chips li { border: 1px solid var(--line); border-radius: 99px; padding: .2rem .75rem; font-size: .9rem }
.chips li::before { content: ""; display: inline-block; width: .5rem; height: .5rem; border-radius: 50%; margin-right: .5rem; background: #c4453b }
.chips li.up::before { background: var(--mark) }
a { color: var(--mark) }
`;

export function statusPage(status: Status): string {
  const { url } = status;
  const services = Object.entries(status.services)
    .map(([name, up]) => `<li class="${up ? "up" : "down"}">${text(name)}</li>`).join("");
  const rows: [string, string][] = [
    ["API", url],
    ["Publishable key", status.publishableKey],
    ["Database", status.databaseUrl],
    ["Provider", status.provider.url ? `stand-in at ${status.provider.url}` : "WaveSpeed (real, paid)"],
    ...status.functions.map((name): [string, string] => [`Function`, `${url}/functions/v1/${name}`]),
    ["Versions", Object.entries(status.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
  ];
  const table = rows.map(([name, value]) =>
    `<tr><td>${text(name)}</td><td><code>${text(value)}</code></td></tr>`
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Genflow, local</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Genflow is running</h1>
<p>Generate, notify, persist, profile: on this machine only.</p>
<ul class="chips">${services}</ul>
<h2>Where</h2>
<table>${table.join("")}</table>
<h2>Try</h2>
<pre>npm run generate -- "a lighthouse in a storm"</pre>
<pre>curl ${text(url)}/rest/v1/generation_models?select=id,label \\
  -H "apikey: ${text(status.publishableKey)}"</pre>
<p>The secret key stands only in the terminal that ran <code>npm start</code>. Machine-readable:
<a href="/_status">/_status</a>, <a href="/auth/v1/.well-known/jwks.json">JWKS</a>.</p>
</main>
</body>
</html>
`;
}

function text(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
