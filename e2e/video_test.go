//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"flamingo/model"
)

// studio gives scripts: scenes, of which each lasts a second; paint(canvas, scene); camera(), a stream of
// them; record({type: options}), files of each type; and still(scene) as a picture.
const studio = `(async () => {
	const colours = ['#d62828', '#2a9d3a', '#2850d6', '#e0c020']
	globalThis.scenes = colours.length
	globalThis.paint = (canvas, i) => {
		const g = canvas.getContext('2d')
		g.fillStyle = '#fff'
		g.fillRect(0, 0, 160, 160)
		g.fillStyle = colours[i % scenes]
		g.beginPath()
		g.arc(40 + 26 * (i % scenes), 50 + 20 * (i % scenes), 30, 0, 7)
		g.fill()
	}
	globalThis.blank = () => Object.assign(document.createElement('canvas'), { width: 160, height: 160 })
	globalThis.still = (i) => {
		const canvas = blank()
		paint(canvas, i)
		return canvas.getContext('2d').getImageData(0, 0, 160, 160)
	}
	globalThis.camera = (seconds = scenes) => {
		const canvas = blank()
		let began = performance.now()
		const draw = () => paint(canvas, Math.min(seconds - 1, Math.floor((performance.now() - began) / 1000)))
		draw()
		const timer = setInterval(draw, 40)
		const stream = canvas.captureStream(25)
		stream.restart = () => { began = performance.now() }
		return { stream, stop: () => { clearInterval(timer); stream.getTracks().forEach((track) => track.stop()) } }
	}
	globalThis.sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
	globalThis.record = async (list, stream, ms = 1000 * scenes) => {
		const recorders = list.map(({ mimeType, slice, keyEvery }) => {
			const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: 4e6, videoKeyFrameIntervalDuration: keyEvery })
			const parts = []
			recorder.ondataavailable = ({ data }) => parts.push(data)
			const file = new Promise((resolve) => { recorder.onstop = () => resolve(new Blob(parts, { type: mimeType.split(';')[0] })) })
			const started = new Promise((resolve) => { recorder.onstart = resolve })
			recorder.start(slice)
			return { recorder, file, started }
		})
		await Promise.all(recorders.map(({ started }) => started))
		stream.restart()
		await sleep(ms)
		for (const { recorder } of recorders) recorder.stop()
		return Promise.all(recorders.map(({ file }) => file))
	}
	const mp4 = ['avc1.42E01E', 'vp9', 'av01'].map((codec) => 'video/mp4;codecs=' + codec).find((type) => MediaRecorder.isTypeSupported(type))
	const { stream, stop } = camera()
	globalThis.films = await record([{ mimeType: 'video/webm;codecs=vp8' }, { mimeType: mp4 }, { mimeType: 'video/webm;codecs=vp8', slice: 200, keyEvery: 250 }], stream)
	stop()
	// What is left over after a call: players of ours, and addresses of files.
	globalThis.players = new Set()
	globalThis.addresses = new Set()
	const make = document.createElement.bind(document)
	document.createElement = (name) => { const made = make(name); if (name === 'video') players.add(made); return made }
	const { createObjectURL, revokeObjectURL } = URL
	URL.createObjectURL = (blob) => { const url = createObjectURL(blob); addresses.add(url); return url }
	URL.revokeObjectURL = (url) => { addresses.delete(url); revokeObjectURL(url) }
	globalThis.left = () => addresses.size + [...players].filter((p) => p.getAttribute('src') || p.srcObject).length
	return films.map(({ type, size }) => type + ' ' + (size > 1000)).join()
})()`

// openStudio loads a model in a page that has the studio.
func openStudio(t *testing.T, name string) *Page {
	t.Helper()
	_, _, page := openPage(t, "embed.html")
	openAPI(t, page, name)
	if got := eval[string](page, studio); got != "video/webm true,video/mp4 true,video/webm true" {
		t.Fatalf("the films are %s", got)
	}
	return page
}

// stretch gives a recording as one of hours: its clusters, which have no size, begin 9000 times as late.
const stretch = `async (film) => {
	const bytes = new Uint8Array(await film.arrayBuffer())
	const head = [0x1f, 0x43, 0xb6, 0x75, 1, 255, 255, 255, 255, 255, 255, 255, 0xe7]
	const parts = []
	let from = 0
	for (let at = 0; at < bytes.length; at++) {
		if (!head.every((byte, i) => bytes[at + i] === byte)) continue
		const length = bytes[at + 13] & 15, time = bytes.slice(at + 14, at + 14 + length).reduce((sum, byte) => 256 * sum + byte, 0)
		const later = new DataView(new ArrayBuffer(4))
		later.setUint32(0, 9000 * time)
		parts.push(bytes.slice(from, at + 13), new Uint8Array([0x84]), later)
		from = at + 14 + length
	}
	return { film: new Blob([...parts, bytes.slice(from)], { type: film.type }), clusters: parts.length / 3 }
}`

func leavesNothing(t *testing.T, page *Page) {
	t.Helper()
	if left := eval[int](page, "left()"); left != 0 {
		t.Errorf("%d players and addresses of files are left over", left)
	}
}

// TestVideo captions what the browser has recorded: as a file, by its address and through an element, it
// gives the tokens of the same scenes as pictures, and the colours of each second.
func TestVideo(t *testing.T) {
	page := openStudio(t, "nano")
	want := eval[spoken](page, "outcome(model.caption({ video: [0, 1, 2, 3].map(still), fps: 1 }))")
	if want.Error != "" || len(want.IDs) == 0 {
		t.Fatalf("pictures: %+v", want)
	}
	t.Logf("the scenes are %q", want.Text)
	for i, kind := range []string{"WebM", "MP4", "WebM without a duration"} {
		t.Run(kind, func(t *testing.T) {
			film := fmt.Sprintf("films[%d]", i)
			colours := eval[[]string](page, fmt.Sprintf(`import('/video.js').then(async ({ openVideo, originOf }) => {
				const { count, reader } = await openVideo(originOf(%s), {})
				const seen = reader(), list = []
				for (let i = 0; i < count; i++) {
					const { data, width } = await seen.read(i), wanted = still(i).data
					const at = 4 * ((50 + 20 * i) * width + 40 + 26 * i)
					const far = Math.max(...[0, 1, 2].map((c) => Math.abs(data[at + c] - wanted[at + c])))
					list.push(far < 24 ? 'scene ' + i : 'scene ' + i + ' is ' + data.slice(at, at + 3))
				}
				seen.close()
				return list
			})`, film))
			if !slices.Equal(colours, []string{"scene 0", "scene 1", "scene 2", "scene 3"}) {
				t.Fatalf("the frames are %q", colours)
			}
			for _, c := range []struct {
				media   string
				encoded int
			}{{"{ video: %s }", 1}, {"%s", 0}, {"new Blob([%s])", 1}, {"{ video: URL.createObjectURL(%s), start: 0, fps: 1 }", 1}} {
				got := eval[spoken](page, "outcome(model.caption("+fmt.Sprintf(c.media, film)+"))")
				if !slices.Equal(got.IDs, want.IDs) || got.Stats.Encoded != c.encoded {
					t.Errorf("%s: %q %s, %d encoded; want %q and %d", c.media, got.Text, got.Error, got.Stats.Encoded, want.Text, c.encoded)
				}
			}
		})
	}
	eval[bool](page, "(addresses.forEach((url) => URL.revokeObjectURL(url)), true)")
	got := eval[[]spoken](page, `(async () => {
		const player = document.body.appendChild(Object.assign(document.createElement('video'), { src: URL.createObjectURL(films[0]), muted: true }))
		await new Promise((resolve) => { player.onloadeddata = resolve })
		player.currentTime = 2.5
		await new Promise((resolve) => { player.onseeked = resolve })
		const list = [await outcome(model.caption(player)), await outcome(model.caption({ image: player })), await outcome(model.caption(still(2)))]
		list.push({ Text: player.currentTime + ' ' + player.paused })
		players.delete(player)
		URL.revokeObjectURL(player.src)
		return list
	})()`)
	if !slices.Equal(got[0].IDs, want.IDs) || !slices.Equal(got[1].IDs, got[2].IDs) || got[3].Text != "2.5 true" {
		t.Errorf("an element: %q %s, its frame %q, the same as a picture %q, left at %s", got[0].Text, got[0].Error, got[1].Text, got[2].Text, got[3].Text)
	}
	for _, c := range []struct{ sampling, scenes string }{
		{"fps: 2", "0, 0, 1, 1, 2, 2, 3, 3"}, {"maxFrames: 2, end: 3.8", "0, 2"}, {"start: 1.1, end: 2.9", "1, 2"}, {"fps: 0.1, end: 3", "1"}, {"start: 3.1, fps: 1", "3"},
	} {
		got := eval[[]spoken](page, fmt.Sprintf("Promise.all([outcome(model.caption({ video: films[0], %s })), outcome(model.caption({ video: [%s].map(still) }))])", c.sampling, c.scenes))
		if got[0].Error != "" || !slices.Equal(got[0].IDs, got[1].IDs) {
			t.Errorf("%s: %q %s, want %q", c.sampling, got[0].Text, got[0].Error, got[1].Text)
		}
	}
	hours := eval[struct {
		spoken
		Clusters int
		Times    []float64
	}](page, `(async () => {
		const { film, clusters } = await (`+stretch+`)(films[2])
		const { openVideo, originOf } = await import('/video.js')
		const opened = await openVideo(originOf(film), { maxFrames: 4 }), reader = opened.reader()
		reader.close()
		return { ...await outcome(model.caption({ video: film, maxFrames: 4 })), clusters, times: reader.times }
	})()`)
	if hours.Clusters < 8 || len(hours.Times) != 4 || hours.Times[3] < 6*3600 || !slices.Equal(hours.IDs, want.IDs) {
		t.Errorf("hours, in %d clusters, at %v: %q %s, want %q", hours.Clusters, hours.Times, hours.Text, hours.Error, want.Text)
	}
	everywhere := eval[[]string](page, `(async () => {
		const video = films[0]
		const list = [(await model.score({ video }, ['a', 'b'])).length, (await model.classify([{ video }, 'Output:'], ['a', 'b'])).length]
		list.push((await model.prompt([{ video, fps: 0.5 }, 'Output:'], { maxTokens: 3 })).stats.encoded)
		list.push((await model.caption(still(0), { maxTokens: 3, shots: [{ video, text: 'a' }] })).stats.encoded)
		const session = model.session({ maxTokens: 3 })
		await session.add({ video, maxFrames: 3 }, 'Output:')
		list.push((await session.continue()).stats.encoded)
		for await (const { result } of model.captions([{ video, maxFrames: 4 }, still(1)], { maxTokens: 3 })) list.push(result.stats.encoded)
		return list.map(String)
	})()`)
	if want := "2 2 1 2 1 1 1"; strings.Join(everywhere, " ") != want {
		t.Errorf("scores, labels, and what prompt, shots, session and captions encoded: %q, want %s", everywhere, want)
	}
	leavesNothing(t, page)
}

// TestVideoLive takes the frames of a stream and of an element that shows one, while they come.
func TestVideoLive(t *testing.T) {
	page := openStudio(t, "nano")
	got := eval[[]string](page, `(async () => {
		const { stream, stop } = camera(40)
		const { openVideo, originOf } = await import('/video.js')
		const { count, reader } = await openVideo(originOf(stream), { fps: 4, maxFrames: 6 })
		const live = reader()
		for (let i = 0; i < count; i++) await live.read(i)
		live.close()
		const list = [String(count)]
		const tell = (outcome) => list.push(outcome.error ?? 'encoded ' + outcome.stats.encoded)
		tell(await outcome(model.caption(stream, { maxTokens: 3 })))
		tell(await outcome(model.caption({ video: stream, fps: 10, maxFrames: 3 }, { maxTokens: 3 })))
		const player = Object.assign(document.createElement('video'), { srcObject: stream, muted: true })
		await player.play()
		tell(await outcome(model.caption({ video: player, fps: 10, maxFrames: 2 }, { maxTokens: 3 })))
		list.push(stream.getTracks()[0].readyState)
		tell(await outcome(model.caption({ video: stream, start: 1 })))
		setTimeout(stop, 500)
		tell(await outcome(model.caption({ video: stream, fps: 2 })))
		tell(await outcome(model.caption(stream)))
		player.srcObject = null
		players.delete(player)
		return list
	})()`)
	want := []string{"6", "encoded 1", "encoded 1", "encoded 1", "live", "invalid-option: media: \"start\"", "media-decode: media: the stream has no video: frame ", "media-decode: media: the stream has no video: frame 1 of 8"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%d: %q, want %q", i+1, got[i], want[i])
		}
	}
	leavesNothing(t, page)
}

// TestVideoRefused gives what cannot be captioned: each is refused with a reason, and nothing is left over.
func TestVideoRefused(t *testing.T) {
	page := openStudio(t, "nano")
	eval[bool](page, `(async () => {
		// A second of silence: RIFF, its size, WAVE, the format (mono, 8000 16-bit samples a second), and samples.
		const le = (...words) => words.map((word) => [word & 255, word >> 8 & 255, word >> 16 & 255, word >>> 24]).flat()
		globalThis.sound = new Blob(['RIFF', new Uint8Array(le(16036)), 'WAVEfmt ', new Uint8Array(le(16, 1 | 1 << 16, 8000, 16000, 2 | 16 << 16)),
			'data', new Uint8Array(le(16000)), new Uint8Array(16000)], { type: 'audio/wav' })
		const cut = (file, from, to) => file.slice(from, to * file.size, file.type)
		globalThis.bad = {
			half: films.map((film) => cut(film, 0, 0.5)), head: films.map((film) => film.slice(0, 150)),
			unknown: new Blob([new Uint8Array(5000)], { type: 'video/quicktime' }),
		}
		return true
	})()`)
	for _, c := range []struct{ media, want string }{
		{"bad.half[0]", "media-decode: media: the WebM or Matroska file is truncated"},
		{"bad.half[1]", "media-decode: media: the MP4 file is truncated"},
		{"bad.head[0]", "media-decode: media: the WebM or Matroska file is truncated"},
		{"bad.head[1]", "media-decode: media: the MP4 file is truncated"},
		{"bad.head[2]", "media-decode: media: the video has no frames"},
		{"bad.unknown", "media-decode: media: the browser cannot decode this video (video/quicktime)"},
		{"{ video: sound }", "media-decode: media: the file has sound and no pictures"},
		{"{ video: new Blob([]) }", "media-decode: media: the file is empty"},
		{"{ image: films[0] }", "media-decode: media: the file is a video: pass {video: file}"},
		{"{ video: films[0], start: 5 }", "invalid-option: media: \"start\" is 5 s, and the video ends at "},
		{"{ video: films[0], start: 2, end: 2 }", "invalid-option: caption: media: start is 2 and end 2"},
		{"{ video: films[0], maxFrames: 257 }", "invalid-option: caption: media: maxFrames is 257"},
		{"{ video: '/none.webm' }", "network: media: "},
		{"{ video: 'https://elsewhere.example/film.webm' }", "cors: media: "},
		{"document.createElement('video')", "media-decode: media: the <video> without src has nothing to play"},
	} {
		got := eval[spoken](page, "outcome(model.caption("+c.media+"))")
		if !strings.HasPrefix(got.Error, c.want) || got.Hint == "" {
			t.Errorf("%s: %q (%s), want %q and a hint", c.media, got.Error, got.Hint, c.want)
		}
	}
	got := eval[[]string](page, `(async () => {
		const codes = [], camera1 = camera(40)
		const after = { file: [0, 10, 30, 60, 100, 200, 400], stream: [0, 50, 500, 1500] }
		const media = { file: { video: films[2], fps: 8 }, stream: { video: camera1.stream } }
		for (const [name, times] of Object.entries(after)) for (const ms of times) {
			const controller = new AbortController()
			const run = outcome(model.caption(media[name], { signal: controller.signal, maxTokens: 3 }))
			await sleep(ms)
			controller.abort()
			const { error } = await run
			codes.push((error ?? 'done').split(':')[0] + ' ' + left())
		}
		codes.push(camera1.stream.getTracks()[0].readyState)
		camera1.stop()
		return codes
	})()`)
	if end := len(got) - 1; got[end] != "live" || slices.ContainsFunc(got[:end], func(s string) bool { return s != "aborted 0" && s != "done 0" }) || !slices.Contains(got, "aborted 0") {
		t.Errorf("aborts: %q, want them aborted with nothing left over, and the stream live", got)
	}
	leavesNothing(t, page)
}

// TestVideoFrames compares numbers of frames that the model was trained with, and others, with the CPU.
func TestVideoFrames(t *testing.T) {
	_, _, page := openPage(t, "embed.html")
	images, _ := held(t)
	cpu := openTruth(t, "nano")
	openAPI(t, page, "nano")
	if got := eval[[]int](page, "[model.info.frames, model.info.maxFrames]"); !slices.Equal(got, []int{8, model.MaxFrames}) {
		t.Errorf("info.frames and info.maxFrames are %d, want 8 and %d", got, model.MaxFrames)
	}
	for _, count := range []int{1, 7, 8, 9, 30} {
		var frames []model.Image
		for i := range count {
			frames = append(frames, images[i*i%len(images)])
		}
		got := eval[spoken](page, fmt.Sprintf(`(async () => {
			const bitmaps = await Promise.all(pictures.map((file) => createImageBitmap(file)))
			return outcome(model.caption({ video: Array.from({ length: %d }, (_, i) => bitmaps[i * i %% bitmaps.length]) }))
		})()`, count))
		got.sameAs(t, fmt.Sprintf("%d frames", count), cpu.write(cpu.promptOf(model.Video(frames...), model.CaptionOptions{}), model.Options{}))
	}
}
