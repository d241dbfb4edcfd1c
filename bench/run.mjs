// `npm run bench -- NAME`: runs one benchmark beside its baseline, in one process tree, and prints the ratios.
import { readdirSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

const names = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.bench.mjs'))
  .map((file) => file.replace('.bench.mjs', ''))
const name = process.argv[2]
if (!names.includes(name)) {
  console.error(`usage: npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`)
  process.exit(1)
}
const machine = `${cpus().length} × ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`
console.log(
  `${name} on ${machine}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`,
)
const { default: run } = await import(`./${name}.bench.mjs`)
await run(process.argv.slice(3))
