// How the page looks: one small style sheet, light and dark, nothing fetched.

export const style = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#fdfdfc, #131416);
  --raised: light-dark(#f4f4f1, #1b1d20);
  --ink: light-dark(#1b1c1e, #e8e8e4);
  --quiet: light-dark(#63666b, #9a9da3);
  --line: light-dark(#e2e2dd, #2c2f33);
  --accent: light-dark(#0b6b58, #5fd0b5);
  --get: light-dark(#1f5fa8, #82b7f2);
  --post: light-dark(#0b6b58, #5fd0b5);
  --patch: light-dark(#8a5a00, #e0b060);
  --delete: light-dark(#a8322b, #f09088);
}
* { box-sizing: border-box }
html { scroll-padding-top: 1.5rem }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
  display: grid; grid-template-columns: 17rem minmax(0, 1fr);
}
nav {
  position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem 3rem 1.5rem;
  border-right: 1px solid var(--line); font-size: .875rem;
}
nav strong { display: block; font-size: 1.15rem; letter-spacing: -.01em; margin-bottom: .25rem }
nav h2 {
  font-size: .72rem; text-transform: uppercase; letter-spacing: .07em; color: var(--quiet);
  margin: 1.4rem 0 .35rem;
}
nav ul { list-style: none; margin: 0; padding: 0 }
nav li a { display: block; padding: .14rem 0; color: var(--ink); text-decoration: none }
nav li a:hover { color: var(--accent) }
main { padding: 2.5rem clamp(1.25rem, 4vw, 4rem) 6rem; max-width: 62rem; min-width: 0 }
h1 { font-size: 2.1rem; line-height: 1.15; letter-spacing: -.02em; margin: 0 0 .75rem }
main > section > h2 {
  font-size: 1.5rem; letter-spacing: -.01em; margin: 4rem 0 1rem; padding-bottom: .4rem;
  border-bottom: 1px solid var(--line);
}
h3 { font-size: 1.12rem; margin: 2.75rem 0 .35rem }
h4 {
  font-size: .76rem; text-transform: uppercase; letter-spacing: .06em; color: var(--quiet);
  margin: 1.35rem 0 .4rem;
}
p { margin: .4rem 0; max-width: 44rem }
a { color: var(--accent); text-underline-offset: .15em }
code, pre { font: .86em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
code { overflow-wrap: anywhere }
p code, td code, dd code, .enum code { background: var(--raised); border-radius: .25rem; padding: .05rem .3rem }
pre {
  background: var(--raised); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem 1rem; overflow-x: auto; margin: .5rem 0;
}
.route { display: flex; flex-wrap: wrap; gap: .6rem; align-items: baseline; margin: .2rem 0 .5rem }
.method { font: 700 .76rem/1 ui-monospace, Menlo, Consolas, monospace; letter-spacing: .03em }
.get { color: var(--get) } .post { color: var(--post) }
.patch { color: var(--patch) } .delete { color: var(--delete) }
.scope { margin-left: auto; font-size: .8rem; color: var(--quiet) }
table { width: 100%; border-collapse: collapse; font-size: .89rem }
th, td { text-align: left; vertical-align: top; padding: .42rem .9rem .42rem 0; border-top: 1px solid var(--line) }
th { font-weight: 500; width: 32% } td.type { width: 30% }
thead th { border-top: 0; color: var(--quiet); font-weight: 400 }
.optional, .or, .bounds { color: var(--quiet); font-size: .8rem }
th .optional { margin-left: .45rem }
.errors th { width: 17rem } .errors td.type { width: 4rem }
details { margin-top: 1rem; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line) }
details + details { margin-top: -1px }
summary { cursor: pointer; padding: .5rem 0; font-size: .89rem; color: var(--quiet) }
summary:hover { color: var(--ink) }
details > :last-child { margin-bottom: .9rem }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px }
@media (max-width: 52rem) {
  body { display: block }
  nav { position: static; height: auto; max-height: 45vh; border-right: 0; border-bottom: 1px solid var(--line) }
  table, tbody, tr, th, td { display: block; width: auto }
  td.type { width: auto } thead { display: none }
  th { padding-bottom: 0 } td { border-top: 0; padding: .1rem 0 } tr { padding-bottom: .4rem }
}
@media print { nav { display: none } body { display: block } }
`
