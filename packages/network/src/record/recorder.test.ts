// The recorder: both channels of equal length, the canonical header, files that survive a sudden end or a full disk.
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, type Log } from '@saperly/kernel'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FRAME_SAMPLES } from '../rtp/frame.ts'
import { Recorder } from './recorder.ts'
import { readWav, repairWav, WAV_HEADER_BYTES, wavHeader } from './wav.ts'

let folder = ''
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'saperly-wav-'))))
afterEach(() => rm(folder, { recursive: true }))

const frameOf = (sample: number): Int16Array => new Int16Array(FRAME_SAMPLES).fill(sample)

test('writes left and right, silence where there was none, and says how long it is', async () => {
  const path = join(folder, 'deep/er/call.wav')
  const recorder = new Recorder(path, silentLog)
  for (let i = 0; i < 130; i++) {
    recorder.write(i % 3 === 0 ? null : frameOf(i), i % 2 === 0 ? null : frameOf(-i))
  }
  const saved = await recorder.close()
  expect(saved).toEqual({ path, durationMs: 2600, bytes: WAV_HEADER_BYTES + 130 * 640 })
  const bytes = await readFile(path)
  expect(bytes.length).toBe(saved!.bytes)
  const { left, right } = readWav(bytes)!
  expect(left.length).toBe(130 * FRAME_SAMPLES)
  for (let i = 0; i < 130; i++) {
    expect(left[i * FRAME_SAMPLES]).toBe(i % 3 === 0 ? 0 : i)
    expect(right[(i + 1) * FRAME_SAMPLES - 1]).toBe(i % 2 === 0 ? 0 : -i)
  }
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await recorder.close()).toBe(saved)
})

test('a recording of nothing is a header', async () => {
  const path = join(folder, 'empty.wav')
  expect(await new Recorder(path, silentLog).close()).toEqual({ path, durationMs: 0, bytes: 44 })
  expect(readWav(await readFile(path))!.left.length).toBe(0)
})

test('never writes over a file, and a call without its recording goes on', async () => {
  const path = join(folder, 'taken.wav')
  await writeFile(path, 'precious')
  const faults: string[] = []
  const log: Log = { ...silentLog, error: (event) => void faults.push(event) }
  const recorder = new Recorder(path, log)
  for (let i = 0; i < 120; i++) recorder.write(frameOf(1), null)
  expect(await recorder.close()).toBeNull()
  expect(await readFile(path, 'utf8')).toBe('precious')
  expect(faults).toEqual(['recording.failed'])
})

test('a file cut anywhere is made whole again', async () => {
  const path = join(folder, 'cut.wav')
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: WAV_HEADER_BYTES, max: 3000 }), async (size) => {
      const bytes = Buffer.alloc(3000, 7)
      wavHeader(0).copy(bytes)
      await writeFile(path, bytes)
      await truncate(path, size)
      const dataBytes = (await repairWav(path))!
      expect(size - WAV_HEADER_BYTES - dataBytes).toBeLessThan(4)
      expect(readWav(await readFile(path))!.left.length).toBe(dataBytes / 4)
    }),
    { numRuns: 30 },
  )
})

test('there is nothing to repair where no header was written', async () => {
  expect(await repairWav(join(folder, 'missing.wav'))).toBeNull()
  const path = join(folder, 'short.wav')
  await writeFile(path, 'RIFF')
  expect(await repairWav(path)).toBeNull()
})

test('the reader refuses what is not a whole recording', () => {
  expect(readWav(Buffer.alloc(10))).toBeNull()
  expect(readWav(Buffer.concat([wavHeader(4), Buffer.alloc(8)]))).toBeNull()
  expect(readWav(Buffer.concat([wavHeader(4), Buffer.alloc(4)]))).not.toBeNull()
})
