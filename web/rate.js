// Rate: download speed and remaining time from progress reports.

const windowMs = 3000;

export class Rate {
  #phase;
  #samples = [];

  // update takes a progress report and the time in ms; it gives {bytesPerSecond, etaSeconds}, or {} while unknown.
  update({ phase, loaded, total }, now) {
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#samples = [];
    }
    this.#samples.push({ now, loaded });
    // The sample just outside the window stays, so that the window is always spanned.
    while (this.#samples.length > 2 && now - this.#samples[1].now >= windowMs) this.#samples.shift();
    const first = this.#samples[0];
    const ms = now - first.now;
    const bytes = loaded - first.loaded;
    // Under a quarter of a second the figure would be noise.
    if (ms < 250 || bytes <= 0) return {};
    const bytesPerSecond = (bytes / ms) * 1000;
    return { bytesPerSecond, etaSeconds: Math.max(0, total - loaded) / bytesPerSecond };
  }
}
