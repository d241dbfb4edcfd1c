import { silentLog } from '@saperly/kernel'
import { it } from 'vitest'
import { createSpeechService } from '/work/main/packages/network/src/speech/zz-service.ts'
import { DecoderPool } from '/work/main/packages/network/src/speech/decoder-pool.ts'
import { PhraseDecoder } from '/work/main/packages/network/src/speech/sound-swallower.ts'
import { FliteMouth } from '/work/main/packages/network/src/speech/flite.ts'
import { FliteProgram } from '/work/main/packages/network/src/speech/flite-wasi.ts'
const orig = PhraseDecoder.prototype.finish

const NEVER = ['My cat is on the roof again.','The weather is lovely in Spain.','Elephants never forget anything.','Where did you put the red bicycle?','Music plays loudly upstairs.','We drove to Paris yesterday.','Seventeen purple umbrellas were stolen from the museum.','Bananas.','I have to feed the horses before the sun goes down.','Our neighbours are painting their fence green again.','Nineteen sailors went to sea in a very small boat.']
const DIG = ['seven four one', 'five', 'one two three four five six seven eight nine zero','nine nine', 'three, seven','four two zero zero one']
it('x', async () => {
  const mouth = new FliteMouth(await FliteProgram.load())
  const s = await createSpeechService('embedded', { log: silentLog })
  for (const voice of ['kal16','awb','rms','slt']) {
    let h: any; const ears = s.openEars({ language: 'en-US', phrases: [], onEvent: (e) => { if (e.type !== 'partial') h(e) } })
    const hear = (t: string) => new Promise<any>((r) => { h = r; const { pcm } = mouth.render(t, voice); ears.start(1); for (let i = 0; i < pcm.length; i += 160) { const f = new Int16Array(160); f.set(pcm.subarray(i, i + 160)); ears.write(f) } ears.finish() })
    for (const t of [...DIG, ...NEVER]) { const e = await hear(t); console.log(voice, t, '=>', e.text) }
    ears.close()
  }
  await s.close()
}, 300000)
