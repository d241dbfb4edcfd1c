// What was said on a call: its transcript, and its recording as our own recogniser hears it.
import { expect } from 'vitest'
import { readWav } from '../packages/network/src/record/wav.ts'
import { FRAME_SAMPLES } from '../packages/network/src/speech/pcm.ts'
import type { EarsEvent, SpeechService } from '../packages/network/src/speech/port.ts'
import type { World } from './world.ts'

export interface Turn {
  role: 'agent' | 'caller' | 'disclosure'
  text: string
  heardText: string | null
  interrupted: boolean
}

/** Audio above this is somebody talking; the line itself is silent. */
const LOUD = 200
/** So much quiet is the end of what was said. */
const QUIET_FRAMES = 25
/** What goes before and behind: words begin and end softly. */
const MARGIN_FRAMES = 15

/** What is said in one channel of a recording: cut at its pauses, each part heard by our own recogniser. */
export async function heardIn(
  speech: SpeechService,
  channel: Int16Array,
  phrases: readonly string[] = [],
): Promise<string[]> {
  let heard: (event: EarsEvent) => void = () => undefined
  const onEvent = (event: EarsEvent): void => {
    if (event.type !== 'partial') heard(event)
  }
  const ears = speech.openEars({ language: 'en-US', phrases, onEvent })
  const texts: string[] = []
  for (const frames of soundsIn(channel)) {
    const answer = new Promise<EarsEvent>((resolve) => (heard = resolve))
    ears.start(texts.length)
    for (const frame of frames) ears.write(frame)
    ears.finish()
    const event = await answer
    texts.push('text' in event ? event.text : event.type)
  }
  ears.close()
  return texts
}

/** False for time in which a late machine sent or got nothing at all: ears on the line wait through that, too. */
function isSound(frame: Int16Array): boolean {
  return frame.some((sample) => sample !== 0)
}

/** Where in one channel something is said, in samples: from its first loud frame to its last. */
export function utterancesIn(channel: Int16Array): { from: number; to: number }[] {
  const at = (frame: number): number => frame * FRAME_SAMPLES
  return spansIn(framesOf(channel)).map(({ from, to }) => ({ from: at(from), to: at(to + 1) }))
}

function framesOf(channel: Int16Array): Int16Array[] {
  return Array.from({ length: Math.floor(channel.length / FRAME_SAMPLES) }, (_, i) =>
    channel.slice(i * FRAME_SAMPLES, (i + 1) * FRAME_SAMPLES),
  )
}

function spansIn(frames: readonly Int16Array[]): { from: number; to: number }[] {
  const loud = frames.flatMap((frame, i) => (frame.some((x) => Math.abs(x) > LOUD) ? [i] : []))
  const found: { from: number; to: number }[] = []
  for (const at of loud) {
    const last = found.at(-1)
    if (last && at - last.to <= QUIET_FRAMES) last.to = at
    else found.push({ from: at, to: at })
  }
  return found
}

function soundsIn(channel: Int16Array): Int16Array[][] {
  const frames = framesOf(channel)
  return spansIn(frames).map(({ from, to }) => [
    ...frames.slice(Math.max(0, from - MARGIN_FRAMES), from),
    ...frames.slice(from, to + 1).filter(isSound),
    ...frames.slice(to + 1, to + 1 + MARGIN_FRAMES),
  ])
}

/** The call once it is final: its live events end with it. */
export async function over(world: World, callId: string) {
  await world.api.send('GET', `/calls/${callId}/events`, undefined, { accept: 'text/event-stream' })
  return world.api.final(callId)
}

export async function turnsOf(world: World, callId: string): Promise<Turn[]> {
  const { body } = await world.api.get(`/calls/${callId}/transcript`)
  return body.turns
}

/** Both channels of the call's recording: left is the peer, right ours. */
export async function recordingOf(world: World, callId: string) {
  const link = await world.api.get(`/calls/${callId}/recording`)
  expect(link.status).toBe(302)
  const bytes = await (await fetch(link.headers.get('location')!)).arrayBuffer()
  const wav = readWav(Buffer.from(bytes))
  expect(wav).not.toBeNull()
  return wav!
}
