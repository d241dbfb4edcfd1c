// A remote service behaves as the engine behind its port: hears, speaks, stops, and faults when the engine is gone.
import { MessageChannel } from 'node:worker_threads'
import { Fault, silentLog } from '@saperly/kernel'
import { afterEach, describe, expect, it } from 'vitest'
import { FRAME_SAMPLES } from './pcm.ts'
import type { AudioChunk, EarsEvent, SpeechService } from './port.ts'
import { createRemoteSpeech } from './remote.ts'
import { serveSpeech } from './serve.ts'
import { createSpeechService } from './service.ts'
import { renderTones } from './tone.ts'

const opened: SpeechService[] = []
afterEach(async () => {
  for (const service of opened.splice(0)) await service.close()
})

async function connect(): Promise<SpeechService> {
  const { port1, port2 } = new MessageChannel()
  serveSpeech(port1, await createSpeechService('tone', { log: silentLog }), 'free', silentLog)
  const remote = createRemoteSpeech(port2)
  opened.push(remote)
  return remote
}

async function say(service: SpeechService, text: string): Promise<AudioChunk[]> {
  const chunks: AudioChunk[] = []
  for await (const chunk of service.mouth.speak(text, null, new AbortController().signal)) {
    chunks.push(chunk)
  }
  return chunks
}

/** Opens ears whose next conclusion can be waited for. */
function ears(service: SpeechService) {
  let settle: (event: EarsEvent) => void = () => {}
  const opened = service.openEars({
    language: 'en-US',
    phrases: [],
    onEvent: (event) => settle(event),
  })
  const conclusion = (): Promise<EarsEvent> => new Promise((resolve) => (settle = resolve))
  return { opened, conclusion }
}

function write(target: { write(frame: Int16Array): void }, pcm: Int16Array): void {
  for (let at = 0; at + FRAME_SAMPLES <= pcm.length; at += FRAME_SAMPLES) {
    target.write(pcm.subarray(at, at + FRAME_SAMPLES))
  }
}

describe('remote speech', () => {
  it('speaks and hears through the port, and says what the engine is', async () => {
    const service = await connect()
    const chunks = await say(service, 'Hello there.')
    expect(chunks).toEqual([renderTones('Hello there.')])
    expect(service.mouth.wordTimes).toBe('exact')
    const { opened, conclusion } = ears(service)
    expect(opened.recognizer).toBe('free')
    const heard = conclusion()
    opened.start(7)
    write(opened, chunks[0]!.pcm)
    opened.finish()
    expect(await heard).toMatchObject({ type: 'final', utterance: 7, text: 'Hello there.' })
    opened.close()
  })

  it('keeps the caller’s frame to itself', async () => {
    const service = await connect()
    const { opened } = ears(service)
    const frame = new Int16Array(FRAME_SAMPLES).fill(3)
    opened.start(1)
    opened.write(frame)
    expect(frame).toEqual(new Int16Array(FRAME_SAMPLES).fill(3))
    opened.close()
  })

  it('passes a fault of the mouth on', async () => {
    const service = await connect()
    await expect(say(service, 'a'.repeat(501))).rejects.toThrow(Fault)
    expect(await say(service, '')).toHaveLength(1)
  })

  it('stops speaking when its signal aborts', async () => {
    const service = await connect()
    const abort = new AbortController()
    const iteration = service.mouth.speak('Hello.', null, abort.signal)[Symbol.asyncIterator]()
    const next = iteration.next()
    abort.abort()
    const { done } = await next
    expect(done ?? (await iteration.next()).done).toBe(true)
  })

  it('hears nothing of a cancelled utterance', async () => {
    const service = await connect()
    const { opened, conclusion } = ears(service)
    const heard = conclusion()
    opened.start(1)
    write(opened, renderTones('No.').pcm)
    opened.finish()
    opened.cancel()
    opened.start(2)
    write(opened, renderTones('Yes.').pcm)
    opened.finish()
    expect(await heard).toMatchObject({ utterance: 2, text: 'Yes.' })
  })

  it('faults when the engine lags too far behind', async () => {
    const { port1, port2 } = new MessageChannel()
    const service = createRemoteSpeech(port2)
    const { opened, conclusion } = ears(service)
    const heard = conclusion()
    opened.start(1)
    for (let i = 0; i < 300; i++) opened.write(new Int16Array(FRAME_SAMPLES))
    opened.finish()
    expect(await heard).toEqual({ type: 'fault', utterance: 1, code: 'late' })
    port1.close()
    await service.close()
  })

  it('faults when the engine is gone', async () => {
    const { port1, port2 } = new MessageChannel()
    const service = createRemoteSpeech(port2)
    const { opened, conclusion } = ears(service)
    const heard = conclusion()
    opened.start(1)
    opened.finish()
    const speech = say(service, 'Hello.')
    port1.close()
    expect(await heard).toEqual({ type: 'fault', utterance: 1, code: 'lost' })
    await expect(speech).rejects.toThrow(Fault)
    const again = conclusion()
    opened.start(2)
    opened.finish()
    expect(await again).toMatchObject({ type: 'fault', utterance: 2 })
  })
})
